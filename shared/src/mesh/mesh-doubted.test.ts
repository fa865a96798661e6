/** An entry says that the peer of a running answer is gone: the next one goes on at once, and the probe decides who stays. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GenerationRequest } from '../ports/engine.ts';
import type { PeerKind } from '../protocol/announcement.ts';
import { ModelId } from '../protocol/ids.ts';
import { createScriptedEngine, type ScriptedEngineOptions } from '../testing/scripted-engine.ts';
import { type VirtualAnswer, VirtualMesh } from '../testing/virtual-mesh.ts';
import { VIRTUAL_SHAPES } from '../testing/virtual-network.ts';
import type { Mesh } from './mesh-interface.ts';

const model = ModelId.parse('scripted-model');
const question = {
  model,
  messages: [{ role: 'user' as const, content: 'How do peers find each other?' }],
  temperature: 0,
};
const PACE = { tokens: 300, ttftMs: 20, tokenIntervalMs: 10 };

let world = new VirtualMesh();
afterEach(async () => {
  await world.close();
  expect(world.clock.pendingTimers()).toBe(0);
  world = new VirtualMesh();
});

function provider(name: string, options: Partial<ScriptedEngineOptions> = {}) {
  const engine = createScriptedEngine({ clock: world.clock, scenario: 'steady', ...PACE, ...options });
  const mesh = world.member(name, 'native');
  mesh.addEngine(engine);
  return { name, mesh, engine };
}

const routes = (answer: VirtualAnswer) =>
  answer.events.flatMap((event) => (event.type === 'route' ? [event.peerId] : []));
const tokenCount = (answer: VirtualAnswer) =>
  answer.events.reduce((sum, event) => sum + (event.type === 'tokens' ? event.tokenCount : 0), 0);
const isLinked = (asker: Mesh, { mesh }: { mesh: Mesh }) =>
  asker.peers().some(({ peerId, linked }) => peerId === mesh.peerId && linked);

/** Milliseconds until there are so many tokens. */
async function untilGiven(answer: VirtualAnswer, tokens: number): Promise<number> {
  let ms = 0;
  for (; tokenCount(answer) < tokens && ms < 10_000; ms += 1) await world.clock.advance(1);
  expect(tokenCount(answer)).toBeGreaterThanOrEqual(tokens);
  return ms;
}

/** Alice reads thirty tokens of one of two; her answer without a disturbance is known. */
async function reading(kind: PeerKind = 'tab') {
  const alice = world.member('alice', kind);
  const pair = [provider('bob'), provider('carol')];
  await world.clock.advance(1_000);
  const whole = world.ask(alice, question);
  await world.clock.advance(5_000);
  const answer = world.ask(alice, question);
  await untilGiven(answer, 30);
  const serving = pair.find(({ mesh }) => mesh.peerId === routes(answer)[0]);
  const other = pair.find(({ mesh }) => mesh !== serving?.mesh);
  if (serving === undefined || other === undefined) throw new Error('Somebody else answers.');
  return { alice, answer, serving, other, whole };
}

describe.each(VIRTUAL_SHAPES)('an answer whose peer is said to be gone ($name)', (shape) => {
  beforeEach(() => {
    world = new VirtualMesh(1, shape);
  });

  it('FO20: goes on at once elsewhere: the gap is the word of the entry, a round trip and a prefill', async () => {
    const { answer, serving, other, whole } = await reading();
    const before = tokenCount(answer);
    world.network.kill(serving.name);
    // What was under way when it was killed may still come.
    const gapMs = await untilGiven(answer, before + 2);
    expect(gapMs).toBeLessThanOrEqual(5 * world.network.delayMs + PACE.ttftMs + 2 * PACE.tokenIntervalMs);
    await world.clock.advance(5_000);
    expect(routes(answer)).toEqual([serving.mesh.peerId, other.mesh.peerId]);
    expect(answer.text).toBe(whole.text);
    expect(tokenCount(answer)).toBe(PACE.tokens);
  });

  it('FO21: stays with a peer that answers the probe first, and the other one is told to stop', async () => {
    const { answer, serving, other, whole } = await reading();
    const asked = other.engine.requests.length;
    world.network.disconnect(serving.name);
    await world.clock.advance(15);
    expect(other.engine.requests.length).toBe(asked + 1);
    expect(other.engine.running()).toBe(0);
    await world.clock.advance(5_000);
    expect(routes(answer)).toEqual([serving.mesh.peerId]);
    expect(answer.text).toBe(whole.text);
    expect(tokenCount(answer)).toBe(PACE.tokens);
  });

  it('FO21: goes on at the other one when that speaks first, each token once, and the peer is told to stop', async () => {
    const { answer, serving, other, whole } = await reading();
    world.network.partition('alice', serving.name);
    world.network.disconnect(serving.name);
    await world.clock.advance(60);
    world.network.heal('alice', serving.name);
    await world.clock.advance(5_000);
    expect(routes(answer)).toEqual([serving.mesh.peerId, other.mesh.peerId]);
    expect(answer.text).toBe(whole.text);
    expect(tokenCount(answer)).toBe(PACE.tokens);
    expect(serving.engine.running()).toBe(0);
  });

  it('FO21: keeps what a doubted peer said when nobody else can go on', async () => {
    const { answer, serving, other, whole } = await reading();
    void other.mesh.removeEngine(other.engine, 0);
    await world.clock.advance(5);
    world.network.disconnect(serving.name);
    await world.clock.advance(5_000);
    expect(routes(answer)).toEqual([serving.mesh.peerId]);
    expect(answer.text).toBe(whole.text);
  });

  it('FO20: that has not begun is asked of another one at once', async () => {
    const alice = world.member('alice');
    const bob = provider('bob', { scenario: 'silent' });
    await world.clock.advance(1_000);
    const answer = world.ask(alice, question);
    await world.clock.advance(500);
    const carol = provider('carol');
    await world.clock.advance(500);
    world.network.kill('bob');
    const gapMs = await untilGiven(answer, 1);
    expect(gapMs).toBeLessThanOrEqual(6 * world.network.delayMs + PACE.ttftMs);
    await world.clock.advance(5_000);
    expect(routes(answer)).toEqual([bob.mesh.peerId, carol.mesh.peerId]);
    expect(answer.state).toBe('done');
  });

  it('FO20: goes on at a third peer when the next one is late', async () => {
    const { answer, serving, other, whole } = await reading();
    const third = provider('dave');
    await world.clock.advance(100);
    let hung = 0;
    for (const { engine } of [other, third]) {
      const generate = engine.generate.bind(engine);
      Object.assign(engine, {
        async *generate(request: GenerationRequest, signal: AbortSignal) {
          hung += 1;
          if (hung === 1)
            await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
          yield* generate(request, signal);
        },
      });
    }
    world.network.kill(serving.name);
    // Nobody has measured it, so that it has three seconds.
    await world.clock.advance(4_000);
    expect(hung).toBe(2);
    expect(routes(answer)).toHaveLength(2);
    await world.clock.advance(5_000);
    expect(answer.text).toBe(whole.text);
  });

  it('FO22: keeps a link to the peer that would go on, also to one that joins while it runs', async () => {
    // A native peer keeps no links of its own accord.
    const { alice, answer, serving, other, whole } = await reading('native');
    await world.clock.advance(100);
    expect(isLinked(alice, other)).toBe(true);
    world.network.kill(serving.name);
    await world.clock.advance(100);
    expect(routes(answer).at(-1)).toBe(other.mesh.peerId);
    const late = provider('dave');
    await world.clock.advance(600);
    expect(answer.state).toBe('running');
    expect(isLinked(alice, late)).toBe(true);
    await world.clock.advance(5_000);
    expect(answer.text).toBe(whole.text);
  });
});
