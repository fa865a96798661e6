import { describe, expect, it } from 'vitest';
import type { PeerId } from '../protocol/ids.ts';
import { PeerPenalties } from './peer-penalties.ts';

const bob = 'bob' as PeerId;

/** Seconds for which bob is penalised from now on. */
function pauseAfter(penalties: PeerPenalties, nowMs: number): number {
  let seconds = 0;
  while (penalties.holds(bob, nowMs + seconds * 1_000)) seconds += 1;
  return seconds;
}

describe('a peer that failed', () => {
  it('RT12: is the last choice for 30 s, twice as long after each further failure, and 5 min at most', () => {
    const penalties = new PeerPenalties();
    const pauses = Array.from({ length: 6 }, (_, failure) => {
      penalties.failed(bob, failure * 1_000);
      return pauseAfter(penalties, failure * 1_000);
    });
    expect(pauses).toEqual([30, 60, 120, 240, 300, 300]);
  });

  it('RT12: is as good as any once it answered', () => {
    const penalties = new PeerPenalties();
    penalties.failed(bob, 0);
    penalties.clear(bob);
    expect(pauseAfter(penalties, 0)).toBe(0);
    penalties.failed(bob, 0);
    expect(pauseAfter(penalties, 0)).toBe(30);
  });

  it('RT12: begins anew when its failures are long ago', () => {
    const penalties = new PeerPenalties();
    for (let failure = 0; failure < 5; failure += 1) penalties.failed(bob, 0);
    expect(pauseAfter(penalties, 0)).toBe(300);
    penalties.failed(bob, 601_000);
    expect(pauseAfter(penalties, 601_000)).toBe(30);
  });

  it('RT18: or that kept an asker waiting until it left is the last choice for 10 s, twice as long each further time', () => {
    const penalties = new PeerPenalties();
    const pauses = Array.from({ length: 6 }, (_, time) => {
      penalties.leftWaiting(bob, time * 1_000);
      return pauseAfter(penalties, time * 1_000);
    });
    expect(pauses).toEqual([10, 20, 40, 80, 160, 300]);
    penalties.clear(bob);
    expect(pauseAfter(penalties, 6_000)).toBe(0);
  });
});
