import { describe, expect, it } from 'vitest';
import { JobTimer } from './job-timer.ts';

describe('one job', () => {
  it('MS1: TTFT runs from the send, the rate from the first token to the last', () => {
    const timer = new JobTimer(1000);
    for (let token = 0; token < 101; token += 1) timer.tokens(1200 + token * 10, 1);
    expect(timer.measurement()).toEqual({
      ttftMs: 200,
      tokensPerSecond: 100,
      approximate: false,
    });
  });

  it('BL29: tokens that come together with the first one make the rate no higher', () => {
    const timer = new JobTimer(0);
    timer.tokens(1000, 90);
    for (let token = 1; token <= 10; token += 1) timer.tokens(1000 + token * 10, 1);
    expect(timer.measurement()).toEqual({ ttftMs: 1000, tokensPerSecond: 100, approximate: false });
  });

  it('MS2: a short window falls back to tokens over wall time and says so', () => {
    const timer = new JobTimer(0);
    timer.tokens(100, 3);
    expect(timer.measurement()).toEqual({
      ttftMs: 100,
      tokensPerSecond: 30,
      approximate: true,
    });
  });

  it('MS3: a rate that no hardware reaches is dropped', () => {
    const timer = new JobTimer(0);
    timer.tokens(1, 1);
    timer.tokens(52, 100_000);
    expect(timer.measurement()?.tokensPerSecond).toBeNull();
  });

  it('MS4: no token, no measurement', () => {
    expect(new JobTimer(0).measurement()).toBeUndefined();
  });

  it('MS9: tokens without text are no first token, and count as if they had come with the next text', () => {
    const timer = new JobTimer(0);
    timer.tokens(16, 1, false);
    timer.tokens(500, 4, false);
    for (let token = 0; token < 101; token += 1) timer.tokens(3000 + token * 10, 1);
    timer.tokens(4005, 5_000, false);
    expect(timer.measurement()).toEqual({ ttftMs: 3000, tokensPerSecond: 100, approximate: false });
  });

  it('MS9: an answer without text has no measurement', () => {
    const timer = new JobTimer(0);
    timer.tokens(16, 9, false);
    expect(timer.measurement()).toBeUndefined();
  });
});
