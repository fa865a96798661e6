import { describe, expect, it } from 'vitest';
import { Turns } from '../../src/http/turns.ts';
import { LARGE_TURN_PAUSE_MS } from '../../src/limits/limits.ts';

/** A clock that stands still unless work is done or waited for. */
function startTurns() {
  let nowMs = 0;
  const pauses: number[] = [];
  const turns = new Turns({
    nowMs: () => nowMs,
    async pause(ms) {
      pauses.push(ms);
      nowMs += ms;
    },
  });
  const order: string[] = [];
  const work = async (client: string, name: string, tookMs: number) => {
    await turns.take(client);
    order.push(name);
    nowMs += tookMs;
  };
  return { work, order, pauses, nowMs: () => nowMs };
}

describe('work that takes turns', () => {
  it('AP107: takes a quarter of the time, the rest of which is for others', async () => {
    const { work, pauses, nowMs } = startTurns();
    await Promise.all(Array.from({ length: 10 }, () => work('mallory', 'x', 10)));
    await work('mallory', 'last', 10);
    expect(pauses).toEqual(Array(10).fill(30));
    expect(nowMs()).toBe(10 * 40 + 10);
  });

  it('AP107: waits no longer than a moment behind a turn in which the machine did something else', async () => {
    const { work, pauses } = startTurns();
    await Promise.all([work('mallory', 'slow', 60_000), work('mallory', 'next', 1)]);
    expect(pauses[0]).toBe(LARGE_TURN_PAUSE_MS);
  });

  it('AP107: comes to each client in its turn, whoever asked for more', async () => {
    const { work, order } = startTurns();
    await Promise.all([
      ...Array.from({ length: 5 }, (_, index) => work('mallory', `mallory ${index}`, 1)),
      work('alice', 'alice', 1),
      work('bob', 'bob', 1),
    ]);
    expect(order.slice(0, 4)).toEqual(['mallory 0', 'mallory 1', 'alice', 'bob']);
    expect(order).toHaveLength(7);
  });

  it('AP107: begins at once when nobody else works, also after a rest', async () => {
    const { work, nowMs } = startTurns();
    await work('alice', 'first', 0);
    await new Promise((resolve) => setImmediate(resolve));
    await work('alice', 'second', 0);
    expect(nowMs()).toBe(0);
  });
});
