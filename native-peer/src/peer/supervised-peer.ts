/**
 * A `serve` process that is started again when it dies. A process of its own, because llama.cpp can take its process down
 * and the entry must outlive that.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { backoffMs, type Clock, type Logger, MeshError, systemRandom } from '@tabmesh/shared';
import { FORCE_AFTER_MS, HEALTHY_MS, MOST_EARLY_DEATHS, RESTARTS } from '../limits.ts';

export interface SupervisedPeerOptions {
  /** The command line's script and its arguments. */
  readonly script: string;
  readonly args: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface SupervisedPeer {
  /** Rejects when the process dies again and again without having lived. */
  readonly failed: Promise<never>;
  /** Ends the process, by force when it does not go by itself. Idempotent. */
  close(): Promise<void>;
}

export function supervisePeer(options: SupervisedPeerOptions): SupervisedPeer {
  const { script, args, environment, clock, logger } = options;
  let child: ChildProcess | undefined;
  let cancelRestart: (() => void) | undefined;
  let earlyDeaths = 0;
  let closing: Promise<void> | undefined;
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});

  const start = () => {
    const startedAtMs = clock.monotonicMs();
    const started = fork(script, [...args], {
      env: environment,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [],
    });
    child = started;
    started.once('error', (error) => logger.warn({ error: error.message }, 'The native peer could not be started.'));
    started.once('exit', (code, signal) => {
      child = undefined;
      if (closing !== undefined) return;
      const livedMs = clock.monotonicMs() - startedAtMs;
      earlyDeaths = livedMs < HEALTHY_MS ? earlyDeaths + 1 : 0;
      logger.warn({ code, signal, livedMs: Math.round(livedMs) }, 'The native peer ended; it is started again.');
      if (earlyDeaths >= MOST_EARLY_DEATHS) {
        fail(
          new MeshError(
            'engine_failed',
            'The native peer does not stay alive; its own message stands above. npx tabmesh doctor looks for the cause.',
          ),
        );
        return;
      }
      const restartMs = backoffMs(Math.max(0, earlyDeaths - 1), systemRandom, RESTARTS);
      cancelRestart = clock.after(restartMs, start);
    });
  };
  start();

  return {
    failed,
    close() {
      cancelRestart?.();
      closing ??= child === undefined ? Promise.resolve() : end(child, clock);
      return closing;
    },
  };
}

/** The end of the channel tells the child to go (`runService`). */
function end(child: ChildProcess, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const cancelForce = clock.after(FORCE_AFTER_MS, () => child.kill('SIGKILL'));
    child.once('exit', () => {
      cancelForce();
      resolve();
    });
    if (child.connected) child.disconnect();
  });
}
