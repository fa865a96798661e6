/** Rate limits by key: how often each address, network, member or API key may do something. */
import { type Clock, type RateLimit, TokenBucket } from '@tabmesh/shared';
import { BUCKETS_SWEPT_AT } from './limits.ts';

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
