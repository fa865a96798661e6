import { describe, expect, it } from 'vitest';
import type { PeerId } from '../protocol/ids.ts';
import { Distrust } from './peer-penalties.ts';

const bob = 'bob' as PeerId;

/** Seconds for which bob is distrusted from now on. */
function pauseAfter(distrust: Distrust, nowMs: number): number {
  let seconds = 0;
  while (distrust.holds(bob, nowMs + seconds * 1_000)) seconds += 1;
  return seconds;
}

describe('a peer that failed', () => {
  it('RT12: is the last choice for 30 s, twice as long after each further failure, and 5 min at most', () => {
    const distrust = new Distrust();
    const pauses = Array.from({ length: 6 }, (_, failure) => {
      distrust.failed(bob, failure * 1_000);
      return pauseAfter(distrust, failure * 1_000);
    });
    expect(pauses).toEqual([30, 60, 120, 240, 300, 300]);
  });

  it('RT12: is as good as any once it answered', () => {
    const distrust = new Distrust();
    distrust.failed(bob, 0);
    distrust.clear(bob);
    expect(pauseAfter(distrust, 0)).toBe(0);
    distrust.failed(bob, 0);
    expect(pauseAfter(distrust, 0)).toBe(30);
  });

  it('RT12: begins anew when its failures are long ago', () => {
    const distrust = new Distrust();
    for (let failure = 0; failure < 5; failure += 1) distrust.failed(bob, 0);
    expect(pauseAfter(distrust, 0)).toBe(300);
    distrust.failed(bob, 601_000);
    expect(pauseAfter(distrust, 601_000)).toBe(30);
  });
});
