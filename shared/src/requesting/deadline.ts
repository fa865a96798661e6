/** Gives up what has not begun when its time is over. */
import { MeshError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';

export interface Deadline {
  /** Aborted when the time is over, and with the asker's own signal. */
  readonly signal: AbortSignal;
  /** By the clock; undefined without a limit. */
  readonly atMs: number | undefined;
  /** It has begun, or ended: from now on only the asker's own signal counts. Idempotent. */
  met(): void;
  /** What to tell the asker of an error: that the time is over, where that was the cause. */
  explain(error: unknown): unknown;
}

export function startDeadline(clock: Clock, limitMs: number | undefined, signal: AbortSignal): Deadline {
  if (limitMs === undefined) return { signal, atMs: undefined, met() {}, explain: (error) => error };
  const over = new AbortController();
  const met = clock.after(limitMs, () => over.abort());
  return {
    signal: AbortSignal.any([signal, over.signal]),
    atMs: clock.monotonicMs() + limitMs,
    met,
    explain: (error) => (over.signal.aborted && !signal.aborted ? MeshError.deadlineMissed(limitMs) : error),
  };
}
