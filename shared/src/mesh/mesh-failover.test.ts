/** A half-written answer outlives the peer that began it: the next one goes on behind what was delivered. */
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../ports/engine.ts';
import { ModelId } from '../protocol/ids.ts';
import { createScriptedEngine, type ScriptedEngine, type ScriptedEngineOptions } from '../testing/scripted-engine.ts';
import { type VirtualAnswer, VirtualMesh } from '../testing/virtual-mesh.ts';
import { VIRTUAL_SHAPES } from '../testing/virtual-network.ts';

const model = ModelId.parse('scripted-model');
const question = {
  model,
  messages: [{ role: 'user' as const, content: 'How do peers find each other?' }],
  temperature: 0,
};
const LENGTH = 100;

let world = new VirtualMesh();
afterEach(renew);

async function renew(): Promise<void> {
  await world.close();
  expect(world.clock.pendingTimers()).toBe(0);
  world = new VirtualMesh();
}

let whole: VirtualAnswer;
beforeAll(async () => {
  const asker = world.member('asker');
  provider('sole');
  await world.clock.advance(1_000);
  whole = world.ask(asker, question);
  await world.clock.advance(10_000);
  await renew();
});

function engineOf(options: Partial<ScriptedEngineOptions> = {}): ScriptedEngine {
  return createScriptedEngine({ clock: world.clock, scenario: 'steady', tokens: LENGTH, ...options });
}

function provider(name: string, engine: Engine = engineOf()) {
  const mesh = world.member(name, 'native');
  mesh.addEngine(engine);
  return { name, mesh, engine };
}

/** The same engine, as one of another class. */
function ofAnotherClass(engine: ScriptedEngine): Engine {
  const { classId } = createScriptedEngine({ clock: world.clock, scenario: 'steady', id: 'other-model' }).model;
  return { ...engine, model: { ...engine.model, classId } };
}

const routes = (answer: VirtualAnswer) =>
  answer.events.flatMap((event) => (event.type === 'route' ? [event.peerId] : []));
const marks = (answer: VirtualAnswer) =>
  answer.events.flatMap((event) => (event.type === 'route' ? [event.continues] : []));
const tokenCount = (answer: VirtualAnswer) =>
  answer.events.reduce((sum, event) => sum + (event.type === 'tokens' ? event.tokenCount : 0), 0);
const usageOf = (answer: VirtualAnswer) =>
  answer.events.flatMap((event) => (event.type === 'end' ? [event.usage] : []))[0];

async function untilGiven(answer: VirtualAnswer, tokens: number): Promise<void> {
  for (let steps = 0; tokenCount(answer) < tokens && steps < 10_000; steps += 1) await world.clock.advance(1);
  expect(tokenCount(answer)).toBeGreaterThanOrEqual(tokens);
}

describe.each(VIRTUAL_SHAPES)('an answer ($name)', (shape) => {
  beforeEach(() => {
    world = new VirtualMesh(1, shape);
  });

  it('FO1: whose peer is killed after any of its tokens is the undisturbed one, whole and once', {
    timeout: 60_000,
  }, async () => {
    expect(tokenCount(whole)).toBe(LENGTH);
    for (let at = 1; at < LENGTH; at += 1) {
      const alice = world.member('alice');
      const pair = [provider('bob'), provider('carol')];
      await world.clock.advance(1_000);
      const answer = world.ask(alice, question);
      await untilGiven(answer, at);
      const [first] = routes(answer);
      const victim = pair.find(({ mesh }) => mesh.peerId === first);
      world.network.kill(victim?.name ?? '');
      await world.clock.advance(10_000);

      expect(answer.text, `killed at ${at}`).toBe(whole.text);
      expect(usageOf(answer)).toEqual(usageOf(whole));
      expect(tokenCount(answer)).toBe(LENGTH);
      expect(marks(answer)).toEqual([null, 'same-class']);
      await renew();
    }
  });

  it('FO2: whose peer hangs goes on elsewhere, and what the hung one says later is not heard', async () => {
    const alice = world.member('alice');
    const pair = [provider('bob'), provider('carol')];
    await world.clock.advance(1_000);
    const answer = world.ask(alice, question);
    await untilGiven(answer, 30);
    const [first] = routes(answer);
    const hung = pair.find(({ mesh }) => mesh.peerId === first)?.name ?? '';
    world.network.partition('alice', hung);
    await world.clock.advance(2_500);
    world.network.heal('alice', hung);
    await world.clock.advance(10_000);
    expect(answer.text).toBe(whole.text);
    expect(routes(answer)).toHaveLength(2);
  });

  it('FO3: whose peer drains goes on elsewhere when the grace is over', async () => {
    const alice = world.member('alice');
    const pair = [provider('bob'), provider('carol')];
    await world.clock.advance(1_000);
    const answer = world.ask(alice, question);
    await untilGiven(answer, 30);
    const leaving = pair.find(({ mesh }) => mesh.peerId === routes(answer)[0]);
    void leaving?.mesh.removeEngine(leaving.engine, 0);
    await world.clock.advance(10_000);
    expect(answer.text).toBe(whole.text);
    expect(marks(answer)).toEqual([null, 'same-class']);
  });

  it('AN13: whose peer drains all that it serves, without grace, hears of it within the call', async () => {
    const alice = world.member('alice');
    const pair = [provider('bob'), provider('carol')];
    await world.clock.advance(1_000);
    const answer = world.ask(alice, question);
    await untilGiven(answer, 30);
    const leaving = pair.find(({ mesh }) => mesh.peerId === routes(answer)[0]);
    void leaving?.mesh.removeEngine(leaving.engine, 0);
    leaving?.mesh.announceNow();
    // The way there takes a millisecond; its own timers have no part in it.
    await world.clock.advance(2);
    expect(marks(answer)).toEqual([null, 'same-class']);
    expect(alice.peers().find(({ peerId }) => peerId === leaving?.mesh.peerId)?.announcement.state).toBe('draining');
    await world.clock.advance(10_000);
    expect(answer.text).toBe(whole.text);
  });

  it('FO4: whose engine fails goes on elsewhere', async () => {
    const alice = world.member('alice');
    const { mesh: bob } = provider('bob', engineOf({ scenario: 'dies-midway' }));
    await world.clock.advance(1_000);
    const answer = world.ask(alice, question);
    await world.clock.advance(200);
    const { mesh: carol } = provider('carol');
    await world.clock.advance(10_000);
    expect(answer.text).toBe(whole.text);
    expect(routes(answer)).toEqual([bob.peerId, carol.peerId]);
  });

  it('FO5: outlives one peer after the other, also one that is back by then', async () => {
    const alice = world.member('alice');
    const bob = provider('bob');
    const carol = provider('carol');
    await world.clock.advance(1_000);
    const answer = world.ask(alice, question);
    for (const tokens of [10, 20, 30, 40, 50, 60]) {
      await untilGiven(answer, tokens);
      const last = routes(answer).at(-1);
      const serving = [bob, carol].find(({ mesh }) => mesh.peerId === last);
      void serving?.mesh.removeEngine(serving.engine, 0);
      await world.clock.advance(50);
      serving?.mesh.addEngine(serving.engine);
    }
    await world.clock.advance(10_000);
    expect(answer.text).toBe(whole.text);
    expect(routes(answer)).toHaveLength(7);
  });

  it('FO6: goes on at a peer of its class, however slow, rather than at another class', async () => {
    const alice = world.member('alice');
    provider('bob');
    await world.clock.advance(1_000);
    const answer = world.ask(alice, question);
    await untilGiven(answer, 10);
    const { mesh: slow } = provider('carol', engineOf({ tokenIntervalMs: 200 }));
    provider('dave', ofAnotherClass(engineOf({ tokenIntervalMs: 1 })));
    await world.clock.advance(100);
    world.network.kill('bob');
    await world.clock.advance(60_000);
    expect(answer.text).toBe(whole.text);
    expect(routes(answer)[1]).toBe(slow.peerId);
    expect(marks(answer)).toEqual([null, 'same-class']);
  });

  it('FO6: goes on at another class when its own has nobody, and is marked so', async () => {
    const alice = world.member('alice');
    provider('bob');
    await world.clock.advance(1_000);
    const answer = world.ask(alice, question);
    await untilGiven(answer, 10);
    const { mesh: other } = provider('carol', ofAnotherClass(engineOf()));
    await world.clock.advance(100);
    world.network.kill('bob');
    await world.clock.advance(60_000);
    expect(answer.state).toBe('done');
    expect(routes(answer)[1]).toBe(other.peerId);
    expect(marks(answer)).toEqual([null, 'other-class']);
  });

  it('FO14: goes on at a peer that is known, never at one that nobody measured', async () => {
    for (let round = 0; round < 12; round += 1) {
      world = new VirtualMesh(round + 1, shape);
      const alice = world.member('alice');
      const known = [provider('bob'), provider('carol')];
      await world.clock.advance(1_000);
      await world.acquaint(alice, question, 3_000);
      const answer = world.ask(alice, question);
      await untilGiven(answer, 10);
      const { mesh: stranger } = provider('dave');
      await world.clock.advance(100);
      const first = known.find(({ mesh }) => mesh.peerId === routes(answer)[0]);
      world.network.kill(first?.name ?? '');
      await world.clock.advance(10_000);
      expect(answer.text).toBe(whole.text);
      expect(routes(answer)).not.toContain(stranger.peerId);
      await world.close();
    }
  });

  it('FO7: that nobody can go on with keeps what was delivered, and ends with an error that may be retried', async () => {
    const alice = world.member('alice');
    provider('bob');
    await world.clock.advance(1_000);
    const answer = world.ask(alice, question);
    await untilGiven(answer, 10);
    const unable = engineOf();
    provider('carol', { ...unable, model: { ...unable.model, features: ['seed'] } });
    await world.clock.advance(100);
    world.network.kill('bob');
    await world.clock.advance(60_000);
    expect(answer.error).toMatchObject({ code: 'peer_lost', retryable: true });
    expect(answer.text).not.toBe('');
    expect(whole.text.startsWith(answer.text)).toBe(true);
    expect(routes(answer)).toHaveLength(1);
  });

  it('FO8: that lacks only the word that it is over is over', async () => {
    const alice = world.member('alice');
    const engine = engineOf();
    provider('bob', {
      ...engine,
      async *generate(request, signal) {
        for await (const event of engine.generate(request, signal)) {
          if (event.type === 'end') await new Promise((_, reject) => signal.addEventListener('abort', reject));
          yield event;
        }
      },
    });
    await world.clock.advance(1_000);
    const answer = world.ask(alice, { ...question, maxTokens: 10 });
    await untilGiven(answer, 10);
    world.network.kill('bob');
    await world.clock.advance(10_000);
    expect(answer.state).toBe('done');
    expect(tokenCount(answer)).toBe(10);
    expect(answer.events.at(-1)).toMatchObject({ type: 'end', reason: 'length', usage: { completionTokens: 10 } });
  });

  it('FO9: that is begun anew after a loss before its first token is no continuation', async () => {
    const alice = world.member('alice');
    provider('bob', engineOf({ scenario: 'silent' }));
    await world.clock.advance(1_000);
    const answer = world.ask(alice, question);
    await world.clock.advance(500);
    provider('carol');
    await world.clock.advance(500);
    world.network.kill('bob');
    await world.clock.advance(10_000);
    expect(answer.text).toBe(whole.text);
    expect(marks(answer)).toEqual([null, null]);
  });
});
