import { describe, expect, it } from 'vitest';
import { SampleWindow } from './sample-window.ts';

describe('the last hour', () => {
  const sample = (ttftMs: number, tokensPerSecond: number) => ({
    ttftMs,
    tokensPerSecond,
  });

  it('MS5: gives medians, 95th percentiles, count and age', () => {
    const window = new SampleWindow();
    window.add(sample(10, 100), 1000);
    window.add(sample(30, 300), 2000);
    window.add(sample(20, 200), 3000);
    expect(window.measured(5000)).toEqual({
      ttftMs: 20,
      ttftP95Ms: 29,
      tokensPerSecond: 200,
      tokensPerSecondP95: 290,
      sampleCount: 3,
      ageMs: 2000,
    });
  });

  it('MS6: what is older than an hour no longer counts', () => {
    const window = new SampleWindow();
    window.add(sample(10, 100), 0);
    window.add(sample(30, 300), 3_000_000);
    expect(window.measured(3_700_000)).toMatchObject({
      ttftMs: 30,
      sampleCount: 1,
    });
    expect(window.measured(9_000_000)).toBeNull();
  });
});
