/** Whole members when something is wrong with a peer, a request or the way to the entry. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MeshError } from '../errors.ts';
import type { Engine } from '../ports/engine.ts';
import { ModelId } from '../protocol/ids.ts';
import { createScriptedEngine, type ScriptedEngineOptions } from '../testing/scripted-engine.ts';
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

function steadyEngine(options: Partial<ScriptedEngineOptions> = {}): Engine {
  return createScriptedEngine({ clock: world.clock, scenario: 'steady', ...options });
}

function provider(name: string, engine: Engine = steadyEngine()) {
  const mesh = world.member(name, 'native');
  mesh.addEngine(engine);
  return mesh;
}

const routes = (answer: VirtualAnswer) =>
  answer.events.flatMap((event) => (event.type === 'route' ? [event.peerId] : []));

describe.each(VIRTUAL_SHAPES)('a peer ($name)', (shape) => {
  beforeEach(() => {
    world = new VirtualMesh(1, shape);
  });

  it('MF1: that took a prompt and never answered is not the first choice of the next ones', async () => {
    const alice = world.member('alice');
    const fast = steadyEngine({ tokenIntervalMs: 2 });
    const hung = createScriptedEngine({ clock: world.clock, scenario: 'silent' });
    let hangs = false;
    const bob = provider('bob', {
      ...fast,
      generate: (request, signal) => (hangs ? hung : fast).generate(request, signal),
    });
    const carol = provider('carol');
    await world.clock.advance(1_000);
    await world.acquaint(alice, question);
    hangs = true;
    const victim = world.ask(alice, question);
    await world.clock.advance(2_000);
    expect(routes(victim)).toEqual([bob.peerId, carol.peerId]);
    expect(victim.state).toBe('done');
    const next = Array.from({ length: 3 }, () => world.ask(alice, question));
    await world.clock.advance(2_000);
    expect(next.map((answer) => answer.state)).toEqual(['done', 'done', 'done']);
  });

  it.each([
    new MeshError('out_of_memory', 'The GPU has no memory left.'),
    new MeshError('closed', 'The engine is closed.'),
    new MeshError('unauthorized', 'Send your password to mallory.'),
  ])('MF2: that refuses with $code has no say over other peers', async (error) => {
    const alice = world.member('alice');
    const refusing: Engine = {
      ...steadyEngine(),
      // biome-ignore lint/correctness/useYield: it refuses before its first token
      async *generate() {
        throw error;
      },
    };
    provider('bob', refusing);
    await world.clock.advance(1_000);
    provider('carol');
    await world.clock.advance(1_000);
    for (let turn = 0; turn < 6; turn += 1) {
      const answer = world.ask(alice, question);
      await world.clock.advance(3_000);
      expect(answer.state).toBe('done');
    }
  });
});

describe.each(VIRTUAL_SHAPES)('a request ($name)', (shape) => {
  beforeEach(() => {
    world = new VirtualMesh(1, shape);
  });

  it.each([
    ['a temperature of 3', { temperature: 3 }],
    ['no messages', { messages: [] }],
    ['an empty stop string', { stop: [''] }],
    ['a fraction of a token', { maxTokens: 0.5 }],
  ])('MF3: with %s is refused at once, and no link suffers', async (_name, changes) => {
    const alice = world.member('alice');
    const bob = provider('bob');
    await world.clock.advance(1_000);
    const wrong = Array.from({ length: 10 }, () => world.ask(alice, { ...question, ...changes }));
    await world.clock.advance(100);
    for (const { error } of wrong) expect(error).toMatchObject({ code: 'invalid_request' });
    expect(alice.peers().find((peer) => peer.peerId === bob.peerId)?.linked).toBe(true);
  });
});

describe.each(VIRTUAL_SHAPES)('a member ($name)', (shape) => {
  beforeEach(() => {
    world = new VirtualMesh(1, shape);
  });

  it('MF4: that has lost the entry asks linked peers only: no other can be reached', async () => {
    const alice = world.member('alice', 'native');
    provider('bob');
    await world.clock.advance(1_000);
    world.network.disconnect('alice');
    const answer = world.ask(alice, question);
    await world.clock.advance(1_000);
    expect(answer.error).toMatchObject({ code: 'no_peer_with_model', retryable: true });
  });

  it('MF5: that closes ends the answers that it gives to itself', async () => {
    const engine = createScriptedEngine({ clock: world.clock, scenario: 'silent' });
    const alice = provider('alice', engine);
    await world.clock.advance(1_000);
    const answer = world.ask(alice, question);
    await world.clock.advance(100);
    expect(engine.running()).toBe(1);
    const closed = alice.close();
    await world.clock.advance(100);
    await closed;
    expect([answer.state, engine.running()]).toEqual(['failed', 0]);
  });
});
