/** Stories of whole members on the virtual network. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MeshError } from '../errors.ts';
import { peerName } from '../identity/peer-name.ts';
import { ModelId } from '../protocol/ids.ts';
import { createScriptedEngine, type EngineScenario } from '../testing/scripted-engine.ts';
import { VirtualMesh } from '../testing/virtual-mesh.ts';
import { VIRTUAL_SHAPES } from '../testing/virtual-network.ts';
import type { Mesh } from './mesh-interface.ts';

const model = ModelId.parse('scripted-model');
const question = {
  model,
  messages: [{ role: 'user' as const, content: 'How do peers find each other?' }],
};

let world = new VirtualMesh();
afterEach(async () => {
  await world.close();
  expect(world.clock.pendingTimers()).toBe(0);
  world = new VirtualMesh();
});

function provider(
  name: string,
  scenario: EngineScenario = 'steady',
  options: { slots?: number; tokens?: number; contextTokens?: number } = {},
) {
  const mesh = world.member(name, 'native');
  const engine = createScriptedEngine({
    clock: world.clock,
    scenario,
    ...options,
  });
  mesh.addEngine(engine);
  return { mesh, engine };
}

const routes = (answer: { events: { type: string }[] }) =>
  answer.events.flatMap((event) =>
    event.type === 'route' ? [(event as { peerId?: string } & typeof event).peerId] : [],
  );

describe.each(VIRTUAL_SHAPES)('a prompt ($name)', (shape) => {
  beforeEach(() => {
    world = new VirtualMesh(1, shape);
  });

  it('ME1: is answered by a peer that serves the model, with its tokens in order and its usage', async () => {
    const alice = world.member('alice');
    const { mesh: bob } = provider('bob');
    await world.clock.advance(1_000);
    const answer = world.ask(alice, question);
    await world.clock.advance(2_000);
    expect(answer.state).toBe('done');
    expect(answer.events[0]).toMatchObject({
      type: 'route',
      peerId: bob.peerId,
      model,
    });
    expect(answer.events.at(-1)).toMatchObject({
      type: 'end',
      reason: 'stop',
      usage: { completionTokens: 24 },
      ttftMs: expect.closeTo(22, 5),
      tokensPerSecond: expect.closeTo(100, 0),
    });
    expect(answer.text.length).toBeGreaterThan(24);
  });

  it('ME2: without a model means the default model', async () => {
    const alice = world.member('alice');
    provider('bob');
    await world.clock.advance(1_000);
    expect(alice.defaultModel()).toBe(model);
    const answer = world.ask(alice, { messages: question.messages });
    await world.clock.advance(2_000);
    expect(answer.events[0]).toMatchObject({ type: 'route', model });
  });

  it('ME18: that is faster than the join waits for it', async () => {
    provider('bob');
    await world.clock.advance(1_000);
    const alice = world.member('alice');
    const answer = world.ask(alice, question);
    await world.clock.advance(2_000);
    expect(answer.state).toBe('done');
  });

  it('ME3: goes to the peer that was measured to be the fastest', async () => {
    const alice = world.member('alice');
    provider('slowpoke', 'slow');
    const { mesh: bob } = provider('bob');
    await world.clock.advance(1_000);
    await world.acquaint(alice, question, 30_000);
    const answer = world.ask(alice, question);
    await world.clock.advance(2_000);
    expect(routes(answer)).toEqual([bob.peerId]);
    const [event] = answer.events;
    if (event?.type !== 'route') throw new Error('The first event is no route.');
    expect(event.explanation.candidates.map((row) => [row.verdict, row.source])).toEqual([
      ['chosen', 'own'],
      ['slower', 'own'],
    ]);
  });

  it('ME4: stays at home when this end’s own engine is as good', async () => {
    provider('bob');
    const alice = world.member('alice');
    alice.addEngine(createScriptedEngine({ clock: world.clock, scenario: 'steady' }));
    await world.clock.advance(1_000);
    const answer = world.ask(alice, question);
    await world.clock.advance(2_000);
    expect(routes(answer)).toEqual([alice.peerId]);
    expect(answer.state).toBe('done');
  });

  it('ME5: moves on when a peer refuses or dies before its first token', async () => {
    const alice = world.member('alice');
    const { mesh: bob } = provider('bob', 'silent');
    await world.clock.advance(1_000);
    const answer = world.ask(alice, question);
    await world.clock.advance(500);
    const { mesh: carol } = provider('carol');
    await world.clock.advance(500);
    world.network.kill('bob');
    await world.clock.advance(3_000);
    expect(routes(answer)).toEqual([bob.peerId, carol.peerId]);
    expect(answer.state).toBe('done');
  });

  it('ME6: keeps what was delivered and says so when its peer dies in the middle', async () => {
    const alice = world.member('alice');
    provider('bob', 'dies-midway');
    await world.clock.advance(1_000);
    const answer = world.ask(alice, question);
    await world.clock.advance(3_000);
    expect(answer.text).not.toBe('');
    expect(answer.error).toMatchObject({
      code: 'engine_failed',
      retryable: true,
    });
  });

  it('ME7: for an unknown model is refused as such, for a known one without a peer as a matter of time', async () => {
    const alice = world.member('alice');
    await world.clock.advance(1_000);
    const unknown = world.ask(alice, {
      ...question,
      model: ModelId.parse('no-such-model'),
    });
    const known = world.ask(alice, {
      ...question,
      model: ModelId.parse('mesh-tiny'),
    });
    await world.clock.advance(100);
    expect(unknown.error).toMatchObject({ code: 'model_not_found' });
    expect(known.error).toMatchObject({
      code: 'no_peer_with_model',
      retryable: true,
    });
  });

  it('ME8: past the context is refused with both figures, after peers with more context were asked', async () => {
    const alice = world.member('alice');
    const { mesh: small } = provider('bob', 'steady', { contextTokens: 16 });
    await world.clock.advance(1_000);
    const long = {
      model,
      messages: [{ role: 'user' as const, content: 'word '.repeat(40) }],
    };
    const refused = world.ask(alice, long);
    await world.clock.advance(1_000);
    expect(refused.error).toMatchObject({ code: 'context_length_exceeded' });
    expect(String(refused.error)).toMatch(/16/);
    const { mesh: large } = provider('carol', 'steady', { contextTokens: 512 });
    await world.clock.advance(1_000);
    const moved = world.ask(alice, long);
    await world.clock.advance(3_000);
    expect(moved.state).toBe('done');
    expect([[large.peerId], [small.peerId, large.peerId]]).toContainEqual(routes(moved));
  });

  it('ME9: finds every peer busy and learns when to come back', async () => {
    const alice = world.member('alice');
    provider('bob', 'silent', { slots: 1 });
    await world.clock.advance(1_000);
    for (let waiting = 0; waiting < 5; waiting += 1) world.ask(alice, question);
    await world.clock.advance(100);
    const refused = world.ask(alice, question);
    await world.clock.advance(100);
    expect(refused.error).toMatchObject({ code: 'mesh_busy' });
    expect((refused.error as MeshError).details.retryAfterMs).toBeGreaterThan(0);
  });
});

describe.each(VIRTUAL_SHAPES)('cancelling ($name)', (shape) => {
  beforeEach(() => {
    world = new VirtualMesh(1, shape);
  });

  it('ME10: frees the slot at the provider', async () => {
    const alice = world.member('alice');
    const { mesh: bob, engine } = provider('bob');
    await world.clock.advance(1_000);
    const controller = new AbortController();
    const answer = world.ask(alice, question, controller.signal);
    await world.clock.advance(60);
    expect(engine.running()).toBe(1);
    controller.abort();
    await world.clock.advance(20);
    expect(answer.error).toMatchObject({ code: 'cancelled' });
    expect(engine.running()).toBe(0);
    expect(bob.serving().activeJobs).toBe(0);
  });

  it('ME11: a requester that vanishes frees the slot too', async () => {
    const alice = world.member('alice');
    const { engine } = provider('bob', 'silent');
    await world.clock.advance(1_000);
    world.ask(alice, question);
    await world.clock.advance(60);
    expect(engine.running()).toBe(1);
    world.network.kill('alice');
    await world.clock.advance(2_000);
    expect(engine.running()).toBe(0);
  });
});

describe.each(VIRTUAL_SHAPES)('peers ($name)', (shape) => {
  beforeEach(() => {
    world = new VirtualMesh(1, shape);
  });

  const names = (mesh: Mesh) =>
    mesh
      .peers()
      .map((peer) => peer.name)
      .sort();

  it('ME12: know each other after joining, with a name and, where linked, a round trip', async () => {
    const alice = world.member('alice');
    const { mesh: bob } = provider('bob');
    await world.clock.advance(5_000);
    expect(names(alice)).toEqual([peerName(alice.peerId), peerName(bob.peerId)].sort());
    expect(alice.peers().find((peer) => peer.peerId === bob.peerId)).toMatchObject({
      linked: true,
      rttMs: expect.closeTo(2, 1),
    });
    expect(alice.models()).toEqual([{ id: model, peers: [bob.peerId], contextTokens: 1024 }]);
  });

  it('ME13: a killed peer leaves every roster within 2 s', async () => {
    const alice = world.member('alice');
    const { mesh: bob } = provider('bob');
    await world.clock.advance(1_000);
    world.network.kill('bob');
    await world.clock.advance(2_000);
    expect(names(alice)).not.toContain(peerName(bob.peerId));
    expect(alice.models()).toEqual([]);
  });

  it('ME14: losing the entry breaks no answer between linked peers', async () => {
    const alice = world.member('alice');
    provider('bob', 'steady', { tokens: 200 });
    await world.clock.advance(1_000);
    const answer = world.ask(alice, question);
    await world.clock.advance(300);
    world.network.disconnect('bob');
    await world.clock.advance(4_000);
    expect(answer.state).toBe('done');
    world.network.reconnect('bob');
    await world.clock.advance(1_000);
    expect(alice.models()).toHaveLength(1);
  });

  it('ME15: two ends that dial at once end up with one link', async () => {
    const alice = world.member('alice');
    const bob = world.member('bob');
    alice.addEngine(
      createScriptedEngine({
        clock: world.clock,
        scenario: 'steady',
        id: 'model-a',
      }),
    );
    bob.addEngine(
      createScriptedEngine({
        clock: world.clock,
        scenario: 'steady',
        id: 'model-b',
      }),
    );
    await world.clock.advance(3_000);
    const toBob = world.ask(alice, {
      ...question,
      model: ModelId.parse('model-b'),
    });
    const toAlice = world.ask(bob, {
      ...question,
      model: ModelId.parse('model-a'),
    });
    await world.clock.advance(3_000);
    expect([toBob.state, toAlice.state]).toEqual(['done', 'done']);
  });

  it('ME16: a cut line is noticed, and dialled again when it heals', async () => {
    const alice = world.member('alice');
    const { mesh: bob } = provider('bob');
    await world.clock.advance(1_000);
    const linked = () => alice.peers().find((peer) => peer.peerId === bob.peerId)?.linked;
    expect(linked()).toBe(true);
    world.network.partition('alice', 'bob');
    await world.clock.advance(10_000);
    expect(linked()).toBe(false);
    world.network.heal('alice', 'bob');
    await world.clock.advance(40_000);
    expect(linked()).toBe(true);
  });

  it('ME17: an engine that is taken away finishes its answers and takes no new ones', async () => {
    const alice = world.member('alice');
    const { mesh: bob, engine } = provider('bob');
    await world.clock.advance(1_000);
    const running = world.ask(alice, question);
    await world.clock.advance(100);
    const removed = bob.removeEngine(engine, 10_000);
    const refused = world.ask(alice, question);
    await world.clock.advance(2_000);
    await removed;
    expect(running.state).toBe('done');
    expect(refused.state).toBe('failed');
    expect(alice.models()).toEqual([]);
  });
});
