import { TokenBucket } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { expect, it } from 'vitest';
import { BucketPerKey } from '../../src/limits/rate-limit.ts';

it('SG15: a bucket gives its burst at once, then its rate', async () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket({ perSecond: 5, burst: 10 }, clock);

  expect(Array.from({ length: 12 }, () => bucket.take()).filter(Boolean)).toHaveLength(10);
  await clock.advance(400);
  expect([bucket.take(), bucket.take(), bucket.take()]).toEqual([true, true, false]);
});

it('SG6: addresses have buckets of their own, and quiet ones cost no memory', async () => {
  const clock = new ManualClock();
  const buckets = new BucketPerKey({ perSecond: 1, burst: 1 }, clock);

  expect([buckets.take('alice'), buckets.take('alice'), buckets.take('bob')]).toEqual([true, false, true]);
  for (let index = 0; index < 5_000; index += 1) {
    await clock.advance(2);
    buckets.take(`address ${index}`);
  }
  expect(buckets.size).toBeLessThan(3_000);
});
