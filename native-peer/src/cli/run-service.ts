/**
 * The life of a long-running command: it starts, runs until it is told to stop, closes what it opened and ends the
 * process (native modules would keep it alive).
 */
import { MeshError } from '@tabmesh/shared';
import { SAME_STOP_MS, WATCH_PARENT_MS } from '../limits.ts';
import { whenReaderGone } from './reader-gone.ts';
import { reportError } from './report-error.ts';
import { releaseYoungHeap } from './young-heap.ts';

export interface Service {
  /** Rejects when the service can't go on. */
  readonly failed: Promise<never>;
  close(): Promise<void>;
}

/** `start` must give up when the signal is aborted; what it throws ends the process with exit code 1. */
export async function runService(start: (stop: AbortSignal) => Promise<Service>): Promise<never> {
  const stop = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    let firstAtMs: number | undefined;
    const onStop = () => {
      firstAtMs ??= performance.now();
      if (performance.now() - firstAtMs > SAME_STOP_MS) process.exit(130);
      stop.abort();
      resolve();
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onStop);
    // Many lines may find no reader: none of them is a second Ctrl-C. A child goes when its parent does.
    whenReaderGone(() => {
      if (process.connected) return;
      stop.abort();
      resolve();
    });
    // A child whose parent is gone, however it went, must not stay behind.
    if (process.connected) process.once('disconnect', onStop);
    if (process.env.npm_lifecycle_event !== undefined) watchParent(onStop);
  });
  let exitCode = 0;
  try {
    const service = await start(stop.signal);
    releaseYoungHeap();
    try {
      await Promise.race([stopped, service.failed]);
    } finally {
      await service.close();
    }
  } catch (error) {
    if (!(stop.signal.aborted && MeshError.is(error, 'cancelled'))) {
      reportError(error);
      exitCode = 1;
    }
  }
  process.exit(exitCode);
}

/**
 * A SIGTERM for npm ends npm and its shell, but the shell does not pass it on. All that this process sees of it is that it
 * gets another parent.
 */
function watchParent(onGone: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    onGone();
  }, WATCH_PARENT_MS);
  timer.unref();
}
