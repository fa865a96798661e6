import { describe, expect, it } from 'vitest';
import { SampleWindow } from './sample-window.ts';

describe('the last hour', () => {
  const sample = (ttftMs: number, tokensPerSecond: number) => ({
    ttftMs,
    tokensPerSecond,
    approximate: false,
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

  it('MS7: rates of answers too short to tell one count only while there are no others', () => {
    const window = new SampleWindow();
    window.add({ ttftMs: 10, tokensPerSecond: 30, approximate: true }, 1000);
    expect(window.measured(1000)).toMatchObject({ tokensPerSecond: 30, sampleCount: 1 });
    window.add(sample(20, 400), 2000);
    expect(window.measured(2000)).toMatchObject({ ttftMs: 15, tokensPerSecond: 400, sampleCount: 2 });
  });

  it('MS8: a peer that got slow, or fast again, is known as that after five answers of nine', () => {
    const window = new SampleWindow();
    let nowMs = 0;
    const answers = (count: number, tokensPerSecond: number) => {
      for (let answer = 0; answer < count; answer += 1)
        window.add(sample(1_000 / tokensPerSecond, tokensPerSecond), nowMs++);
      return window.current(nowMs);
    };
    expect(answers(300, 100)).toMatchObject({ ttftMs: 10, tokensPerSecond: 100 });
    expect(answers(4, 2)).toMatchObject({ ttftMs: 10, tokensPerSecond: 100 });
    expect(answers(1, 2)).toMatchObject({ ttftMs: 500, ttftP95Ms: 10, tokensPerSecond: 2 });
    expect(window.measured(nowMs)).toMatchObject({ tokensPerSecond: 100, sampleCount: 305 });
    expect(answers(5, 100)).toMatchObject({ ttftMs: 10, tokensPerSecond: 100 });
    expect(window.current(nowMs + 3_700_000)).toBeNull();
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
