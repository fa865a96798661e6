import { describe, expect, it } from 'vitest';
import {
  CPU_TOKEN_OVERHEAD_MS,
  type DeviceSpeed,
  expectedTokensPerSecond,
  GPU_TOKEN_OVERHEAD_MS,
  isChatSpeed,
  largestAtChatSpeed,
  possibleTokensPerSecond,
} from './expected-rate.ts';

const GB = 1e9;
/** An integrated GPU on the memory of a laptop. */
const laptop: DeviceSpeed = {
  memoryBytesPerSecond: 50 * GB,
  operationsPerSecond: 1.2e12,
  tokenOverheadMs: GPU_TOKEN_OVERHEAD_MS,
};
const graphicsCard: DeviceSpeed = {
  memoryBytesPerSecond: 900 * GB,
  operationsPerSecond: 40e12,
  tokenOverheadMs: GPU_TOKEN_OVERHEAD_MS,
};

describe('what a device should reach', () => {
  it('CT9: the rate follows from the bytes that a token reads, the operations that it takes, and its overhead', () => {
    expect(possibleTokensPerSecond(5 * GB, { ...laptop, tokenOverheadMs: 0 })).toBeCloseTo(10);
    const slowCore = { memoryBytesPerSecond: 50 * GB, operationsPerSecond: 32e9, tokenOverheadMs: 0 };
    expect(possibleTokensPerSecond(GB, slowCore)).toBeCloseTo(9, 1);
    expect(possibleTokensPerSecond(5e6, graphicsCard)).toBeLessThan(1000 / GPU_TOKEN_OVERHEAD_MS);
    expect(possibleTokensPerSecond(5e6, { ...laptop, tokenOverheadMs: CPU_TOKEN_OVERHEAD_MS })).toBeGreaterThan(1000);
  });

  it('CT9: on a laptop with an integrated GPU 9B is no chat, on a graphics card it is', () => {
    expect(isChatSpeed(expectedTokensPerSecond(8.8 * GB, laptop))).toBe(false);
    expect(isChatSpeed(expectedTokensPerSecond(2.3 * GB, laptop))).toBe(true);
    expect(isChatSpeed(expectedTokensPerSecond(8.8 * GB, graphicsCard))).toBe(true);
  });

  it('CT10: what was measured is what is expected next time, of models of that size more than of others', () => {
    const possible = possibleTokensPerSecond(2 * GB, laptop);
    const learn = (share: number) => [
      { sizeBytes: 2 * GB, possibleTokensPerSecond: possible, measuredTokensPerSecond: possible * share },
    ];
    const before = expectedTokensPerSecond(2 * GB, laptop);
    const once = expectedTokensPerSecond(2 * GB, laptop, learn(0.3));
    const often = expectedTokensPerSecond(2 * GB, laptop, [...learn(0.3), ...learn(0.3), ...learn(0.3), ...learn(0.3)]);
    expect(before).toBeCloseTo(possible * 0.6);
    expect(once).toBeLessThan(before * 0.7);
    expect(often).toBeLessThan(once);
    expect(often).toBeGreaterThan(possible * 0.3);
    expect(often).toBeLessThan(possible * 0.33);
    const faster = expectedTokensPerSecond(2 * GB, laptop, learn(0.9));
    expect(faster).toBeGreaterThan(before);
    const shareAt = (sizeBytes: number) =>
      expectedTokensPerSecond(sizeBytes, laptop, learn(0.3)) / possibleTokensPerSecond(sizeBytes, laptop);
    expect(shareAt(2 * GB)).toBeLessThan(shareAt(4 * GB));
    expect(shareAt(4 * GB)).toBeLessThan(shareAt(32 * GB));
    expect(shareAt(32 * GB)).toBeLessThan(0.6);
  });

  it('CT10: figures that no hardware reaches, and none at all, teach nothing', () => {
    const before = expectedTokensPerSecond(2 * GB, laptop);
    for (const measuredTokensPerSecond of [953_000, 0, Number.NaN, -1]) {
      const learned = [{ sizeBytes: 2 * GB, possibleTokensPerSecond: 25, measuredTokensPerSecond }];
      expect(expectedTokensPerSecond(2 * GB, laptop, learned)).toBe(before);
    }
  });

  it('CT11: the largest daily driver at the speed of a chat is proposed, else the largest of all, else none', () => {
    const of = (sizeBytes: number, tokensPerSecond: number, isDailyDriver: boolean) => ({
      sizeBytes,
      tokensPerSecond,
      isDailyDriver,
    });
    const slow = of(8.8 * GB, 3.4, true);
    const daily = of(2.3 * GB, 13, true);
    const small = of(0.6 * GB, 40, true);
    const other = of(3 * GB, 9, false);
    const tiny = of(0.1 * GB, 80, false);
    expect(largestAtChatSpeed([small, slow, daily, other, tiny])).toBe(daily);
    expect(largestAtChatSpeed([slow, tiny, other])).toBe(other);
    expect(largestAtChatSpeed([slow])).toBeUndefined();
    expect(largestAtChatSpeed([of(GB, 8, true)])).toBeDefined();
  });
});
