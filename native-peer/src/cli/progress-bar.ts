/** A progress bar on a terminal; nothing where nobody looks. */
import progress from 'cli-progress';

export interface ProgressBar {
  update(doneBytes: number, totalBytes: number | null): void;
  /** Idempotent. */
  close(): void;
}

export function createProgressBar(label: string, stream: NodeJS.WriteStream = process.stderr): ProgressBar {
  if (!stream.isTTY) return { update() {}, close() {} };
  const bar = new progress.SingleBar({
    stream,
    hideCursor: true,
    clearOnComplete: false,
    etaBuffer: 200,
    format: (options, params, payload) => {
      const done = `${megabytes(params.value)}/${payload.known ? megabytes(params.total) : '?'} MB`;
      const percent = payload.known ? `${Math.floor(params.progress * 100)} %` : '';
      const seconds = (Date.now() - params.startTime) / 1000;
      const speed = seconds > 0 ? (params.value - payload.first) / seconds : 0;
      const left = payload.known && speed > 0 ? ` · ${duration((params.total - params.value) / speed)} left` : '';
      return `${label} ${progress.Format.BarFormat(params.progress, options)} ${percent} · ${done} · ${megabytes(speed)} MB/s${left}`;
    },
  });
  let started = false;
  return {
    update(doneBytes, totalBytes) {
      const payload = { known: totalBytes !== null, first: doneBytes };
      if (!started) bar.start(totalBytes ?? doneBytes, doneBytes, payload);
      else bar.update(doneBytes);
      started = true;
    },
    close() {
      if (started) bar.stop();
      started = false;
    },
  };
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

function duration(seconds: number): string {
  const rounded = Math.ceil(seconds);
  return rounded < 60 ? `${rounded} s` : `${Math.floor(rounded / 60)} min ${rounded % 60} s`;
}
