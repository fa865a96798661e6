/** A peer that sends tokens without text, or text at a crawl, against whole members: a reader gets nothing from it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../ports/engine.ts';
import { ModelId } from '../protocol/ids.ts';
import { createScriptedEngine } from '../testing/scripted-engine.ts';
import { type VirtualAnswer, VirtualMesh } from '../testing/virtual-mesh.ts';
import { VIRTUAL_SHAPES } from '../testing/virtual-network.ts';

const model = ModelId.parse('scripted-model');
const question = { model, messages: [{ role: 'user' as const, content: 'How do peers find each other?' }] };

let world = new VirtualMesh();
afterEach(async () => {
  await world.close();
  expect(world.clock.pendingTimers()).toBe(0);
  world = new VirtualMesh();
});

const routes = (answer: VirtualAnswer) =>
  answer.events.flatMap((event) => (event.type === 'route' ? [event.peerId] : []));

/** Fast and honest until `turn` is called; from then on it says a token every so often, of this text. */
function mallory() {
  const honest = createScriptedEngine({ clock: world.clock, scenario: 'steady', tokenIntervalMs: 2, slots: 20 });
  let said: { text: string; everyMs: number } | undefined;
  let running = 0;
  const engine: Engine = {
    ...honest,
    async *generate(request, signal) {
      if (said === undefined) {
        yield* honest.generate(request, signal);
        return;
      }
      running += 1;
      try {
        for (let token = 0; token < request.maxTokens && !signal.aborted; token += 1) {
          yield { type: 'tokens', text: said.text, tokenCount: 1 };
          await pause(said.everyMs, signal);
        }
      } finally {
        running -= 1;
      }
    },
  };
  const mesh = world.member('mallory', 'native');
  mesh.addEngine(engine);
  return {
    peerId: mesh.peerId,
    running: () => running,
    turn(text: string, everyMs: number) {
      said = { text, everyMs };
    },
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      cancel();
      signal.removeEventListener('abort', go);
      resolve();
    };
    const cancel = world.clock.after(ms, go);
    signal.addEventListener('abort', go);
  });
}

/** Alice has measured both: mallory is the faster one. */
async function acquainted() {
  const alice = world.member('alice', 'tab', { raceShare: 0 });
  const liar = mallory();
  const bob = world.member('bob', 'native');
  bob.addEngine(createScriptedEngine({ clock: world.clock, scenario: 'steady', slots: 20 }));
  await world.clock.advance(1_000);
  await world.acquaint(alice, question);
  return { alice, liar, bob };
}

describe.each(VIRTUAL_SHAPES)('a peer without a word for its reader ($name)', (shape) => {
  beforeEach(() => {
    world = new VirtualMesh(1, shape);
  });

  it('RC8: wins no race', async () => {
    const alice = world.member('alice');
    const liar = mallory();
    const bob = world.member('bob', 'native');
    bob.addEngine(createScriptedEngine({ clock: world.clock, scenario: 'steady', slots: 20 }));
    await world.clock.advance(1_000);
    await world.acquaint(alice, question);
    liar.turn('', 10);
    const answer = world.ask(alice, question);
    await world.clock.advance(1_500);
    expect(routes(answer)).toEqual([liar.peerId, bob.peerId]);
    expect(answer.state).toBe('done');
    expect(answer.events.find((event) => event.type === 'tokens')).toMatchObject({ text: expect.stringMatching(/./) });
    expect(liar.running()).toBe(0);
  });

  it('IN22: holds no request for ever, and the next one is not asked of it', async () => {
    const { alice, liar, bob } = await acquainted();
    liar.turn('', 10);
    const answer = world.ask(alice, question);
    await world.clock.advance(12_000);
    expect(routes(answer)).toEqual([liar.peerId, bob.peerId]);
    expect(answer.state).toBe('done');
    const next = world.ask(alice, question);
    await world.clock.advance(1_000);
    expect(routes(next)).toEqual([bob.peerId]);
  });

  it.each([
    ['tokens without text', '', 10],
    ['a word every nine seconds', 'well ', 9_000],
  ])('RT18: that keeps an asker waiting with %s until it leaves is not asked next', async (_, text, everyMs) => {
    const { alice, liar, bob } = await acquainted();
    liar.turn(text, everyMs);
    const leaving = new AbortController();
    const answer = world.ask(alice, question, leaving.signal);
    await world.clock.advance(4_000);
    leaving.abort();
    await world.clock.advance(100);
    expect([answer.state, routes(answer)]).toEqual(['failed', [liar.peerId]]);
    const next = world.ask(alice, question);
    await world.clock.advance(1_000);
    expect(routes(next)).toEqual([bob.peerId]);
    expect(next.state).toBe('done');
  });

  it('RT18: that misses the asker’s deadline is not asked next', async () => {
    const { alice, liar, bob } = await acquainted();
    liar.turn('', 10);
    const answer = world.ask(alice, { ...question, deadlineMs: 2_000 });
    await world.clock.advance(3_000);
    expect(answer.error).toMatchObject({ code: 'mesh_busy' });
    const next = world.ask(alice, question);
    await world.clock.advance(1_000);
    expect(routes(next)).toEqual([bob.peerId]);
  });

  it('RT18: is nobody whose asker leaves while it answers as fast as ever', async () => {
    const { alice, liar } = await acquainted();
    for (const afterMs of [10, 30, 50]) {
      const leaving = new AbortController();
      world.ask(alice, question, leaving.signal);
      await world.clock.advance(afterMs);
      leaving.abort();
      await world.clock.advance(100);
    }
    const next = world.ask(alice, question);
    await world.clock.advance(1_000);
    expect(routes(next)).toEqual([liar.peerId]);
  });
});
