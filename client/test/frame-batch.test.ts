import { ManualClock } from '@tabmesh/shared/testing';
import { describe, expect, it } from 'vitest';
import { createFrameBatch } from '../src/ui/frame-batch.ts';

function setUp() {
  const clock = new ManualClock();
  const frames = new Map<number, () => void>();
  let lastFrame = 0;
  const port = {
    request(callback: () => void) {
      frames.set(++lastFrame, callback);
      return lastFrame;
    },
    cancel: (frame: number) => void frames.delete(frame),
  };
  const paint = () => {
    const due = [...frames.values()];
    frames.clear();
    for (const callback of due) callback();
  };
  const handled: string[][] = [];
  const batch = createFrameBatch<string>((items) => handled.push([...items]), port, clock);
  return { clock, frames, paint, handled, batch };
}

describe('painting tokens', () => {
  it('UI10: hands over once per frame what arrived before it', () => {
    const { batch, paint, handled } = setUp();
    batch.push('a');
    batch.push('b');
    paint();
    batch.push('c');
    paint();
    paint();
    expect(handled).toEqual([['a', 'b'], ['c']]);
  });

  it('UI10: goes on in a hidden page, where no frame comes', async () => {
    const { clock, batch, handled } = setUp();
    batch.push('a');
    await clock.advance(250);
    expect(handled).toEqual([['a']]);
  });

  it('UI10: flushes at once at the end and leaves neither frame nor timer', () => {
    const { clock, batch, frames, handled } = setUp();
    batch.push('a');
    batch.flush();
    batch.flush();
    expect(handled).toEqual([['a']]);
    expect(frames.size).toBe(0);
    expect(clock.pendingTimers()).toBe(0);
  });
});
