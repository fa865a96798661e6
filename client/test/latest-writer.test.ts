import { ManualClock } from '@tabmesh/shared/testing';
import { describe, expect, it } from 'vitest';
import { createLatestWriter } from '../src/conversations/latest-writer.ts';

function setUp() {
  const clock = new ManualClock();
  const written: number[] = [];
  return { clock, written, writer: createLatestWriter<number>((value) => written.push(value), 500, clock) };
}

describe('writing a streaming answer', () => {
  it('UI9: writes the first version at once and then the newest one per interval', async () => {
    const { clock, written, writer } = setUp();
    for (let value = 1; value <= 10; value += 1) {
      writer.put(value);
      await clock.advance(100);
    }
    expect(written).toEqual([1, 5, 10]);
  });

  it('UI9: writes the last version at once and leaves no timer', () => {
    const { clock, written, writer } = setUp();
    writer.put(1);
    writer.put(2);
    writer.finish(3);
    expect(written).toEqual([1, 3]);
    expect(clock.pendingTimers()).toBe(0);
  });

  it('UI9: drops what waits when it is closed', async () => {
    const { clock, written, writer } = setUp();
    writer.put(1);
    writer.put(2);
    writer.close();
    await clock.advance(10_000);
    expect(written).toEqual([1]);
  });
});
