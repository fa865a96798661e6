/** A pause that can be cut short. */
import type { Clock } from './ports/clock.ts';

/** Resolves after `delayMs`, or at once when the signal is aborted, whichever comes first; the caller looks which. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = () => {
      cancel();
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const cancel = clock.after(delayMs, finish);
    signal.addEventListener('abort', finish);
  });
}
