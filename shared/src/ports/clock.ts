/** Time, as the core asks for it. `systemClock` is the real one, `ManualClock` the one that tests turn by hand. */
export interface Clock {
  /** Milliseconds since the Unix epoch; may jump. For timestamps that other peers read. */
  wallMs(): number;
  /** Milliseconds since some fixed start, with fractions; never goes back. For durations. */
  monotonicMs(): number;
  /** Calls `callback` once after `delayMs`. Returns the cancel. */
  after(delayMs: number, callback: () => void): () => void;
  /** Calls `callback` once everything that has arrived by now was handled, or at the end of this turn at the earliest. */
  soon(callback: () => void): void;
}
