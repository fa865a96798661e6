import { ManualClock } from '@tabmesh/shared/testing';
import { describe, expect, it } from 'vitest';
import { createStatusSampler } from '../src/status/status-sampler.ts';

function setUp() {
  const clock = new ManualClock();
  const frames = new Map<number, () => void>();
  let lastFrame = 0;
  let updates = 0;
  const sampler = createStatusSampler(
    () => {
      updates += 1;
    },
    {
      request(callback) {
        frames.set(++lastFrame, callback);
        return lastFrame;
      },
      cancel: (frame) => void frames.delete(frame),
    },
    clock,
  );
  const paint = () => {
    const due = [...frames.values()];
    frames.clear();
    for (const callback of due) callback();
  };
  return { clock, frames, sampler, paint, updates: () => updates };
}

describe('following the mesh', () => {
  it('ST16: a hundred changes a second update the page ten times, on a frame, and the last one is shown', async () => {
    const { clock, sampler, paint, updates } = setUp();
    for (let change = 0; change < 100; change += 1) {
      sampler.changed();
      paint();
      await clock.advance(10);
    }
    expect(updates()).toBe(10);
    paint();
    await clock.advance(100);
    paint();
    expect(updates()).toBe(11);
    await clock.advance(1_000);
    paint();
    expect(updates()).toBe(11);
  });

  it('ST16: a hidden page has no frames and updates nothing', async () => {
    const { clock, sampler, updates, paint } = setUp();
    for (let change = 0; change < 10; change += 1) {
      sampler.changed();
      await clock.advance(100);
    }
    expect(updates()).toBe(0);
    paint();
    expect(updates()).toBe(1);
  });

  it('ST16: a page that was left keeps neither frame nor timer', async () => {
    const { clock, frames, sampler, paint } = setUp();
    sampler.changed();
    paint();
    sampler.changed();
    sampler.close();
    sampler.close();
    expect(clock.pendingTimers()).toBe(0);
    sampler.changed();
    await clock.advance(100);
    sampler.close();
    expect(frames.size).toBe(0);
  });
});
