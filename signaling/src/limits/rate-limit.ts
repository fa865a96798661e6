/**
 * Token buckets: how often a member, an address or a key may do something. An empty bucket refuses; nothing is queued.
 */
import type { Clock } from '@tabmesh/shared';
import { BUCKETS_SWEPT_AT, type RateLimit } from './limits.ts';

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

/**
 * One bucket per key, such as a network address. Memory stays bounded by the keys that were active lately: a full bucket
 * equals a new one and is forgotten.
 */
export class BucketPerKey {
  readonly #limit: RateLimit;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, TokenBucket>();
  #sweepAt = BUCKETS_SWEPT_AT;

  constructor(limit: RateLimit, clock: Clock) {
    this.#limit = limit;
    this.#clock = clock;
  }

  take(key: string, reserve = 0, amount = 1): boolean {
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      this.#sweep();
      bucket = new TokenBucket(this.#limit, this.#clock);
      this.#buckets.set(key, bucket);
    }
    return bucket.take(reserve, amount);
  }

  get size(): number {
    return this.#buckets.size;
  }

  #sweep(): void {
    if (this.#buckets.size < this.#sweepAt) return;
    for (const [key, bucket] of this.#buckets) {
      if (bucket.isFull()) this.#buckets.delete(key);
    }
    this.#sweepAt = Math.max(BUCKETS_SWEPT_AT, this.#buckets.size * 2);
  }
}
