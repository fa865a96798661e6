import { describe, expect, it } from 'vitest';
import { Openings } from '../../src/http/spread-openings.ts';
import { OPENINGS_PER_TURN_MS } from '../../src/limits/limits.ts';
import { question, startServer } from '../setup/start-server.ts';

/** An event loop by hand: what is left for the next turn is run by `turn`, as many openings of 1 ms as there are. */
function startLoop() {
  let nowMs = 0;
  let next: (() => void)[] = [];
  const openings = new Openings({ nowMs: () => nowMs, nextTurn: (run) => void next.push(run) });
  let opened = 0;
  return {
    ask: () =>
      openings.begin(() => {
        opened += 1;
        nowMs += 1;
      }),
    turn() {
      const now = next;
      next = [];
      for (const run of now) run();
    },
    opened: () => opened,
    left: () => next.length,
  };
}

describe('answers that begin in one moment', () => {
  it('AP108: are opened a few milliseconds at a time, all of them in the end', () => {
    const loop = startLoop();
    for (let count = 0; count < 200; count += 1) loop.ask();
    expect(loop.opened()).toBe(OPENINGS_PER_TURN_MS);
    let turns = 0;
    for (let before = loop.opened(); loop.opened() < 200; turns += 1, before = loop.opened()) {
      loop.turn();
      expect(loop.opened() - before).toBeLessThanOrEqual(OPENINGS_PER_TURN_MS);
    }
    expect(turns).toBeLessThanOrEqual(200 / OPENINGS_PER_TURN_MS);
    for (let turn = 0; turn < 3; turn += 1) loop.turn();
    expect(loop.left()).toBe(0);
  });

  it('AP108: wait for nobody when there are few', () => {
    const loop = startLoop();
    for (let asked = 1; asked <= 10; asked += 1) {
      loop.ask();
      expect(loop.opened()).toBe(asked);
      loop.turn();
    }
  });

  it('AP108: are all answered', async () => {
    const { post } = startServer();
    const replies = await Promise.all(Array.from({ length: 100 }, () => post(question)));
    expect(replies.every(({ statusCode }) => statusCode === 200)).toBe(true);
  });
});
