import { describe, expect, it } from 'vitest';
import {
  FIRST_FLIGHT_BYTES,
  MAX_STREAM_FRAME_BYTES as FRAME_BYTES,
  MAX_FLIGHT_BYTES,
  QUEUE_SHARE_BESIDE_MESSAGES as QUEUE_SHARE,
} from '../limits.ts';
import { ACKNOWLEDGE_BYTES, CongestionWindow } from './congestion-window.ts';

/** Sends as much as the window lets pass through a pipe of that rate and length, for so many milliseconds. */
function send(window: CongestionWindow, pipe: { bytesPerMs: number; roundTripMs: number }, forMs: number, share = 1) {
  let [nowMs, freeMs, worstQueueMs, bytes] = [0, 0, 0, 0];
  const arrivals: number[] = [];
  while (nowMs < forMs) {
    while (!window.isFull) {
      window.handleSent(FRAME_BYTES, nowMs);
      freeMs = Math.max(freeMs, nowMs) + FRAME_BYTES / pipe.bytesPerMs;
      if (nowMs > forMs / 2) worstQueueMs = Math.max(worstQueueMs, freeMs - nowMs);
      arrivals.push(freeMs + pipe.roundTripMs);
    }
    nowMs = arrivals.shift() ?? forMs;
    window.handleAcknowledged(FRAME_BYTES, nowMs, share);
    bytes += FRAME_BYTES;
  }
  return { worstQueueMs, rate: bytes / nowMs };
}

describe('the congestion window', () => {
  it('SM24: grows until the pipe is full, and keeps the queue in it shorter than a round trip', () => {
    const pipe = { bytesPerMs: 5_000, roundTripMs: 100 };
    const window = new CongestionWindow();
    const { worstQueueMs, rate } = send(window, pipe, 10_000);
    expect(rate).toBeGreaterThan(0.85 * pipe.bytesPerMs);
    expect(worstQueueMs).toBeLessThan(pipe.roundTripMs);
    expect(window.limitBytes).toBeLessThan(2 * pipe.bytesPerMs * pipe.roundTripMs);
  });

  it('SM24: stays small where a little fills the pipe, and never falls below what two frames need', () => {
    const window = new CongestionWindow();
    const { rate } = send(window, { bytesPerMs: 70_000, roundTripMs: 0.3 }, 200);
    expect(rate).toBeGreaterThan(50_000);
    expect(window.limitBytes).toBeLessThan(3 * FIRST_FLIGHT_BYTES);
    const onSlowLine = new CongestionWindow();
    send(onSlowLine, { bytesPerMs: 10, roundTripMs: 500 }, 100_000);
    expect(onSlowLine.limitBytes).toBe(FIRST_FLIGHT_BYTES);
  });

  it('SM24: has an upper limit', () => {
    const window = new CongestionWindow();
    send(window, { bytesPerMs: 1_000_000, roundTripMs: 100 }, 5_000);
    expect(window.limitBytes).toBe(MAX_FLIGHT_BYTES);
  });

  it('SM28: beside messages keeps less on its way, on a short line as little as is acknowledged at a time', () => {
    const pipe = { bytesPerMs: 70_000, roundTripMs: 0.3 };
    const alone = send(new CongestionWindow(), pipe, 200);
    const beside = send(new CongestionWindow(), pipe, 200, QUEUE_SHARE);
    expect(beside.worstQueueMs).toBeLessThan(0.6 * alone.worstQueueMs);
    expect(beside.rate).toBeGreaterThan(0.5 * alone.rate);
    const onSlowLine = new CongestionWindow();
    send(onSlowLine, { bytesPerMs: 10, roundTripMs: 500 }, 100_000, QUEUE_SHARE);
    expect(onSlowLine.limitBytes).toBeGreaterThanOrEqual(ACKNOWLEDGE_BYTES);
    expect(onSlowLine.limitBytes).toBeLessThan(FIRST_FLIGHT_BYTES);
  });

  it('SM28: beside messages fills a long line, too', () => {
    const pipe = { bytesPerMs: 5_000, roundTripMs: 100 };
    const { worstQueueMs, rate } = send(new CongestionWindow(), pipe, 10_000, QUEUE_SHARE);
    expect(rate).toBeGreaterThan(0.7 * pipe.bytesPerMs);
    expect(worstQueueMs).toBeLessThan(pipe.roundTripMs / 4);
  });
});
