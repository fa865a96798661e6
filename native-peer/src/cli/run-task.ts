/** The life of a short command: it runs to its end or until Ctrl-C, then the process ends. */
import { reportError } from './report-error.ts';

/** `task` resolves with false when it has found a problem and told of it. */
export async function runTask(task: (stop: AbortSignal) => Promise<unknown>): Promise<never> {
  const stop = new AbortController();
  const onSignal = () => {
    if (stop.signal.aborted) process.exit(130);
    stop.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal);
  try {
    const outcome = await task(stop.signal);
    process.exit(outcome === false ? 1 : 0);
  } catch (error) {
    reportError(error);
    process.exit(stop.signal.aborted ? 130 : 1);
  }
}
