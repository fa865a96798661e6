/** A first token that is late is asked of a second peer too, within bounds. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../ports/engine.ts';
import { ModelId } from '../protocol/ids.ts';
import { createScriptedEngine, type ScriptedEngine } from '../testing/scripted-engine.ts';
import { type VirtualAnswer, VirtualMesh } from '../testing/virtual-mesh.ts';
import { VIRTUAL_SHAPES } from '../testing/virtual-network.ts';
import type { Mesh } from './mesh-interface.ts';

const model = ModelId.parse('scripted-model');
const question = { model, messages: [{ role: 'user' as const, content: 'How do peers find each other?' }] };

let world = new VirtualMesh();
afterEach(async () => {
  await world.close();
  expect(world.clock.pendingTimers()).toBe(0);
  world = new VirtualMesh();
});

/** How long this engine now takes to its first token. */
interface Pace {
  ttftMs: number;
}

function provider(name: string, tokenIntervalMs: number) {
  const pace: Pace = { ttftMs: 20 };
  const paced = (ttftMs: number) =>
    createScriptedEngine({ clock: world.clock, scenario: 'steady', ttftMs, tokenIntervalMs, slots: 8 });
  const engines = new Map<number, ScriptedEngine>();
  const engine: Engine = {
    ...paced(20),
    generate(request, signal) {
      const chosen = engines.get(pace.ttftMs) ?? paced(pace.ttftMs);
      engines.set(pace.ttftMs, chosen);
      return chosen.generate(request, signal);
    },
  };
  const mesh = world.member(name, 'native');
  mesh.addEngine(engine);
  return { mesh, pace, running: () => [...engines.values()].reduce((sum, one) => sum + one.running(), 0) };
}

const routes = (answer: VirtualAnswer) =>
  answer.events.flatMap((event) => (event.type === 'route' ? [event.peerId] : []));

/** Alice, who has measured bob, the fast one, and carol. */
async function acquainted() {
  const alice = world.member('alice');
  const bob = provider('bob', 5);
  const carol = provider('carol', 10);
  await world.clock.advance(1_000);
  await ask(alice, 12);
  const [chosen] = routes(await answered(alice));
  expect(chosen).toBe(bob.mesh.peerId);
  return { alice, bob, carol };
}

async function ask(asker: Mesh, times: number): Promise<VirtualAnswer[]> {
  const answers: VirtualAnswer[] = [];
  for (let turn = 0; turn < times; turn += 1) answers.push(await answered(asker));
  return answers;
}

async function answered(asker: Mesh): Promise<VirtualAnswer> {
  const answer = world.ask(asker, question);
  await world.clock.advance(8_000);
  expect(answer.state).toBe('done');
  return answer;
}

const ttftOf = (answer: VirtualAnswer) =>
  answer.events.flatMap((event) => (event.type === 'end' ? [event.ttftMs] : []))[0];

describe.each(VIRTUAL_SHAPES)('a first token that is late ($name)', (shape) => {
  beforeEach(() => {
    world = new VirtualMesh(2, shape);
  });

  it('RC1: comes from another peer, and the slot of the late one is free at once', async () => {
    const { alice, bob, carol } = await acquainted();
    bob.pace.ttftMs = 5_000;
    const answer = world.ask(alice, question);
    await world.clock.advance(1_000);
    expect(routes(answer)).toEqual([bob.mesh.peerId, carol.mesh.peerId]);
    expect(answer.state).toBe('done');
    expect(ttftOf(answer)).toBeLessThan(250);
    expect([bob.running(), carol.running()]).toEqual([0, 0]);
  });

  it('RC2: is no failure, but for a moment others are asked first', async () => {
    const { alice, bob, carol } = await acquainted();
    bob.pace.ttftMs = 5_000;
    await answered(alice);
    bob.pace.ttftMs = 20;
    const next = world.ask(alice, question);
    await world.clock.advance(1_000);
    expect(routes(next)).toEqual([carol.mesh.peerId]);
    await world.clock.advance(10_000);
    expect(routes(await answered(alice))).toEqual([bob.mesh.peerId]);
  });

  it('RC3: may still come first, and then the second peer is told to stop', async () => {
    const { alice, bob, carol } = await acquainted();
    bob.pace.ttftMs = 200;
    carol.pace.ttftMs = 5_000;
    const answer = world.ask(alice, question);
    await world.clock.advance(2_000);
    expect(routes(answer)).toEqual([bob.mesh.peerId]);
    expect(answer.state).toBe('done');
    expect([bob.running(), carol.running()]).toEqual([0, 0]);
  });

  it('RC4: is not asked of a second peer once the share of such answers is used up', async () => {
    const { alice, bob, carol } = await acquainted();
    const raced: boolean[] = [];
    for (let turn = 0; turn < 6; turn += 1) {
      bob.pace.ttftMs = 1_000;
      const [answer] = await ask(alice, 1);
      raced.push(answer !== undefined && routes(answer).join() === [bob.mesh.peerId, carol.mesh.peerId].join());
      await world.clock.advance(10_000);
    }
    // One was saved up at the start, and the thirteen answers before earned less than another.
    expect(raced).toEqual([true, false, false, false, false, false]);
  });

  it('RC5: is not waited for when its peer can not be reached', async () => {
    const { alice, bob, carol } = await acquainted();
    world.network.partition('alice', 'bob');
    const answer = world.ask(alice, question);
    await world.clock.advance(1_500);
    expect(routes(answer)).toEqual([bob.mesh.peerId, carol.mesh.peerId]);
    expect(answer.state).toBe('done');
  });

  it('RC6: that neither of two peers gives comes from a third', async () => {
    const { alice, bob, carol } = await acquainted();
    const dave = provider('dave', 20);
    await world.clock.advance(500);
    bob.pace.ttftMs = 120_000;
    carol.pace.ttftMs = 120_000;
    const answer = world.ask(alice, question);
    await world.clock.advance(30_000);
    expect(answer.state).toBe('done');
    expect(routes(answer).at(-1)).toBe(dave.mesh.peerId);
  });

  it('RC7: is waited for as long as its prompt may take to read', async () => {
    const alice = world.member('alice');
    const bob = provider('bob', 5);
    await world.clock.advance(1_000);
    await ask(alice, 12);
    bob.pace.ttftMs = 80_000;
    const long = world.ask(alice, {
      model,
      messages: [{ role: 'user', content: 'internationalisation '.repeat(500) }],
    });
    const short = world.ask(alice, question);
    await world.clock.advance(82_000);
    expect([long.state, routes(long)]).toEqual(['done', [bob.mesh.peerId]]);
    expect(short.error).toMatchObject({ code: 'peer_lost' });
  });
});
