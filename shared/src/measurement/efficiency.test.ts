import { describe, expect, it } from 'vitest';
import { meshEfficiency } from './efficiency.ts';

const rate = (tokensPerSecond: number) => ({ tokensPerSecond });

describe('mesh efficiency', () => {
  it.each([
    [100, 1, 'good'],
    [80, 0.8, 'good'],
    [79, 0.79, 'fair'],
    [50, 0.5, 'fair'],
    [49, 0.49, 'poor'],
    [0, 0, 'poor'],
    [130, 1.3, 'good'],
  ] as const)('BL10: %d of 100 tok/s is a ratio of %d and %s', (through, ratio, grade) => {
    expect(meshEfficiency(rate(through), rate(100))).toEqual({ ratio, grade });
  });

  it('BL11: without a measurement or a baseline there is none, rather than a poor one', () => {
    expect(meshEfficiency(null, rate(100))).toBeNull();
    expect(meshEfficiency(rate(100), null)).toBeNull();
    expect(meshEfficiency(rate(100), rate(0))).toBeNull();
  });
});
