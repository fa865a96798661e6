/** Several answers to one request when the peers have no room for all of them. */
import { MeshError } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { describe, expect, it } from 'vitest';
import { parallelAnswers } from '../../src/answers/parallel-answers.ts';

/** A mesh with so many slots and no line, whose answers take a second. */
function meshOf(slots: number, clock: ManualClock) {
  let running = 0;
  return async (name: string): Promise<string> => {
    if (running >= slots) throw MeshError.meshBusy(10_000);
    running += 1;
    clock.after(1_000, () => {
      running -= 1;
    });
    return name;
  };
}

function start(count: number, slots: number, patienceMs?: number) {
  const clock = new ManualClock();
  const abort = new AbortController();
  const ask = meshOf(slots, clock);
  const asRoomComes = parallelAnswers(count, clock, abort.signal, patienceMs);
  const names = Array.from({ length: count }, (_, index) => `answer ${index}`);
  const all = Promise.allSettled(names.map((name) => asRoomComes(() => ask(name))));
  return { clock, abort, all };
}

describe('answers to one request', () => {
  it('AP35: come as room comes, though all together have none', async () => {
    const { clock, all } = start(5, 2);
    await clock.advance(10_000);
    const names = (await all).map((one) => (one.status === 'fulfilled' ? one.value : one.reason));
    expect(names).toEqual(['answer 0', 'answer 1', 'answer 2', 'answer 3', 'answer 4']);
  });

  it('AP35: are refused at once when others fill the mesh', async () => {
    const { all, clock } = start(1, 0);
    expect(await all).toMatchObject([{ status: 'rejected', reason: { code: 'mesh_busy' } }]);
    expect(clock.pendingTimers()).toBe(0);
    const several = start(3, 0);
    await several.clock.advance(0);
    several.abort.abort();
    expect((await several.all).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  });

  it('AP35: are waited for as long as the client waits, and not after it has left', async () => {
    const hasty = start(3, 1, 1_500);
    await hasty.clock.advance(5_000);
    expect((await hasty.all).map(({ status }) => status)).toContain('rejected');
    const left = start(3, 1);
    await left.clock.advance(0);
    left.abort.abort();
    expect((await left.all).slice(1)).toMatchObject([
      { status: 'rejected', reason: { code: 'cancelled' } },
      { status: 'rejected', reason: { code: 'cancelled' } },
    ]);
    await left.clock.advance(2_000);
    expect(left.clock.pendingTimers()).toBe(0);
  });
});
