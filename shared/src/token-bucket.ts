/** How often somebody may do something: so often at once, and so often a second. An empty bucket refuses; nothing is queued. */
import type { Clock } from './ports/clock.ts';

export interface RateLimit {
  readonly perSecond: number;
  /** What may come at once after a quiet time. */
  readonly burst: number;
}

export class TokenBucket {
  readonly #limit: RateLimit;
  readonly #clock: Clock;
  #tokens: number;
  #filledAtMs: number;

  constructor(limit: RateLimit, clock: Clock) {
    this.#limit = limit;
    this.#clock = clock;
    this.#tokens = limit.burst;
    this.#filledAtMs = clock.monotonicMs();
  }

  /**
   * False: the limit is reached.
   * @param reserve is left for others
   */
  take(reserve = 0, amount = 1): boolean {
    this.#refill();
    if (this.#tokens < amount + reserve) return false;
    this.#tokens -= amount;
    return true;
  }

  /** For what turned out to have cost less. */
  giveBack(amount: number): void {
    this.#refill();
    this.#tokens = Math.min(this.#limit.burst, this.#tokens + amount);
  }

  isFull(): boolean {
    this.#refill();
    return this.#tokens >= this.#limit.burst;
  }

  #refill(): void {
    const nowMs = this.#clock.monotonicMs();
    const gained = ((nowMs - this.#filledAtMs) / 1000) * this.#limit.perSecond;
    this.#tokens = Math.min(this.#limit.burst, this.#tokens + gained);
    this.#filledAtMs = nowMs;
  }
}
