/** A pause that a stop ends early. */
import { setTimeout as delay } from 'node:timers/promises';

/** Resolves after `delayMs`, or at once when the signal is aborted; who must know which looks at the signal. */
export async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  await delay(delayMs, undefined, { signal }).catch(() => {});
}
