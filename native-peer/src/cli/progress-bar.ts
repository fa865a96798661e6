/** A progress bar on a terminal; elsewhere a line every ten seconds, so that a log shows life. */
import progress from 'cli-progress';
import { PROGRESS_LINE_MS } from '../limits.ts';

export interface ProgressBar {
  update(doneBytes: number, totalBytes: number | null): void;
  /** Idempotent. */
  close(): void;
}

export function createProgressBar(label: string, stream: NodeJS.WriteStream = process.stderr): ProgressBar {
  const state: Progress = { startMs: performance.now(), firstBytes: 0, doneBytes: 0, totalBytes: null };
  const output = stream.isTTY ? drawn(label, state, stream) : written(label, state, stream);
  let started = false;
  return {
    update(doneBytes, totalBytes) {
      Object.assign(state, { doneBytes, totalBytes });
      if (!started) Object.assign(state, { startMs: performance.now(), firstBytes: doneBytes });
      if (started) output.update();
      else output.start();
      started = true;
    },
    close() {
      if (started) output.close();
      started = false;
    },
  };
}

interface Progress {
  startMs: number;
  /** What an earlier attempt brought counts for no speed. */
  firstBytes: number;
  doneBytes: number;
  totalBytes: number | null;
}

interface Output {
  start(): void;
  update(): void;
  close(): void;
}

function drawn(label: string, state: Progress, stream: NodeJS.WriteStream): Output {
  const bar = new progress.SingleBar({
    stream,
    hideCursor: true,
    clearOnComplete: false,
    format: (options, params) => `${label} ${progress.Format.BarFormat(params.progress, options)} ${figuresOf(state)}`,
  });
  return {
    start: () => bar.start(state.totalBytes ?? state.doneBytes, state.doneBytes),
    update: () => bar.update(state.doneBytes),
    close: () => bar.stop(),
  };
}

function written(label: string, state: Progress, stream: NodeJS.WriteStream): Output {
  let timer: NodeJS.Timeout | undefined;
  return {
    start() {
      // By the clock and not by what comes: a download that stands still shows it.
      timer = setInterval(() => stream.write(`${label.trim()}: ${figuresOf(state)}\n`), PROGRESS_LINE_MS);
      timer.unref();
    },
    update() {},
    close: () => clearInterval(timer),
  };
}

/** `42 % · 840.0/2020.0 MB · 24.1 MB/s · 49 s left`. */
function figuresOf({ startMs, firstBytes, doneBytes, totalBytes }: Progress): string {
  const seconds = (performance.now() - startMs) / 1000;
  const speed = seconds > 0 ? (doneBytes - firstBytes) / seconds : 0;
  const isKnown = totalBytes !== null && totalBytes > 0;
  return [
    ...(isKnown ? [`${Math.floor((doneBytes / totalBytes) * 100)} %`] : []),
    `${megabytes(doneBytes)}/${isKnown ? megabytes(totalBytes) : '?'} MB`,
    `${megabytes(speed)} MB/s`,
    ...(isKnown && speed > 0 ? [`${duration((totalBytes - doneBytes) / speed)} left`] : []),
  ].join(' · ');
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

function duration(seconds: number): string {
  const rounded = Math.ceil(seconds);
  return rounded < 60 ? `${rounded} s` : `${Math.floor(rounded / 60)} min ${rounded % 60} s`;
}
