/** The wall clock of an entry, by which its members date what they announce there: a device's own may be hours off. */
import type { Clock } from '../ports/clock.ts';

export class EntryTime {
  readonly #clock: Clock;
  readonly #aheadMs: number;

  /** @param toldMs Unix milliseconds, as the entry told them just now */
  constructor(clock: Clock, toldMs: number) {
    this.#clock = clock;
    this.#aheadMs = toldMs - clock.monotonicMs();
  }

  /** Unix milliseconds. */
  nowMs(): number {
    return Math.round(this.#aheadMs + this.#clock.monotonicMs());
  }
}
