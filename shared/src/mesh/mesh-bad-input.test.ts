/** Whole members among peers that lie about themselves: what a lie costs, and whom. */
import { afterEach, describe, expect, it } from 'vitest';
import { MeshError } from '../errors.ts';
import { createIdentity } from '../identity/identity.ts';
import type { Clock } from '../ports/clock.ts';
import type { Engine } from '../ports/engine.ts';
import { silentLogger } from '../ports/logger.ts';
import { Announcement, type SignedRecord } from '../protocol/announcement.ts';
import { parseJson } from '../protocol/decode.ts';
import { ModelId } from '../protocol/ids.ts';
import { createScriptedEngine, type ScriptedEngineOptions } from '../testing/scripted-engine.ts';
import { createSeededRandom } from '../testing/seeded-random.ts';
import { type VirtualAnswer, VirtualMesh } from '../testing/virtual-mesh.ts';
import { createMesh } from './mesh.ts';
import type { Mesh } from './mesh-interface.ts';

const model = ModelId.parse('scripted-model');
const question = { model, messages: [{ role: 'user' as const, content: 'How do peers find each other?' }] };
const random = createSeededRandom(13);

let world = new VirtualMesh();
let liars: Mesh[] = [];
afterEach(async () => {
  const closed = Promise.all(liars.map((mesh) => mesh.close()));
  await world.close();
  await closed;
  expect(world.clock.pendingTimers()).toBe(0);
  world = new VirtualMesh();
  liars = [];
});

function engine(options: Partial<ScriptedEngineOptions> = {}): Engine {
  return createScriptedEngine({ clock: world.clock, scenario: 'steady', ...options });
}

/** A whole member, but for what it says of itself. */
function liar(name: string, lie: (truth: Announcement) => object, clock: Clock = world.clock): Mesh {
  const identity = createIdentity(random);
  const {
    signaling: [signaling],
    transports,
  } = world.network.join(name);
  const lying = (record: SignedRecord) => identity.sign(lie(parseJson(Announcement, record.body)));
  const mesh = createMesh({
    identity,
    kind: 'native',
    version: '0.0.0-test',
    transports,
    clock,
    random,
    logger: silentLogger,
    signaling: [
      {
        ...signaling,
        announce: (record) => signaling.announce(lying(record)),
        start: (handlers) =>
          signaling.start({
            ...handlers,
            onChallenge(challenge, entry) {
              const { proof, announcement } = handlers.onChallenge(challenge, entry);
              return { proof, announcement: lying(announcement) };
            },
          }),
      },
    ],
  });
  liars.push(mesh);
  return mesh;
}

/** Says of its models that they are so many times as fast as they are, whether or not it measured them. */
const times = (factor: number) => (truth: Announcement) => ({
  ...truth,
  models: truth.models.map((served) => ({
    ...served,
    measured: {
      ttftMs: 20 / factor,
      ttftP95Ms: 20 / factor,
      tokensPerSecond: 50 * factor,
      tokensPerSecondP95: 50 * factor,
      sampleCount: 100,
      ageMs: 0,
    },
  })),
});

/** Has answered often enough for the mesh to know how fast it is. */
async function knownProvider(name: string, options: Partial<ScriptedEngineOptions> = {}): Promise<Mesh> {
  const mesh = world.member(name, 'native');
  mesh.addEngine(engine(options));
  await world.clock.advance(1_000);
  world.ask(mesh, question);
  await world.clock.advance(5_000);
  return mesh;
}

async function askOften(mesh: Mesh, turns: number): Promise<VirtualAnswer[]> {
  const answers: VirtualAnswer[] = [];
  for (let turn = 0; turn < turns; turn += 1) {
    answers.push(world.ask(mesh, question));
    await world.clock.advance(5_000);
  }
  return answers;
}

const askedOf = (peer: Mesh, answers: readonly VirtualAnswer[]) =>
  answers.filter((answer) => answer.events.some((event) => event.type === 'route' && event.peerId === peer.peerId))
    .length;

describe('a peer that makes itself a hundred times as fast', () => {
  it('RT13: costs each requester one answer, because from then on its own sample rules', async () => {
    await knownProvider('bob');
    const mallory = liar('mallory', times(100));
    mallory.addEngine(engine({ tokenIntervalMs: 20 }));
    const requesters = [world.member('alice'), world.member('carol')];
    await world.clock.advance(1_000);
    for (const requester of requesters) {
      const answers = await askOften(requester, 20);
      expect(answers.map(({ state }) => state)).not.toContain('failed');
      expect(askedOf(mallory, answers)).toBe(1);
    }
  });

  it('RT17: gains nothing by leaving and coming back', async () => {
    await knownProvider('bob');
    const mallory = liar('mallory', times(100));
    mallory.addEngine(engine({ tokenIntervalMs: 20 }));
    const alice = world.member('alice');
    await world.clock.advance(1_000);
    const answers = await askOften(alice, 3);
    for (let turn = 0; turn < 3; turn += 1) {
      world.network.disconnect('mallory');
      world.network.partition('alice', 'mallory');
      await world.clock.advance(60_000);
      expect(alice.peers().map(({ peerId }) => peerId)).not.toContain(mallory.peerId);
      world.network.heal('alice', 'mallory');
      world.network.reconnect('mallory');
      await world.clock.advance(5_000);
      expect(alice.peers().map(({ peerId }) => peerId)).toContain(mallory.peerId);
      answers.push(...(await askOften(alice, 3)));
    }
    expect(answers.map(({ state }) => state)).not.toContain('failed');
    expect(askedOf(mallory, answers)).toBe(1);
  });

  it('RT15: is asked ever more rarely when it ends every prompt without a word', async () => {
    await knownProvider('bob');
    const mallory = liar('mallory', times(100));
    mallory.addEngine(engine({ tokens: 0 }));
    const alice = world.member('alice');
    await world.clock.advance(1_000);
    const answers = await askOften(alice, 40);
    // 200 s: at once, after 30 s, after 60 s more, and not yet after the next 120 s.
    expect(askedOf(mallory, answers)).toBe(3);
  });

  it('RT16: gains nothing by counting more tokens than its text can hold', async () => {
    const bob = await knownProvider('bob');
    const mallory = liar('mallory', times(100));
    const slow = engine({ tokenIntervalMs: 200, contextTokens: 100_000 });
    mallory.addEngine({
      ...slow,
      async *generate(request, signal) {
        for await (const event of slow.generate(request, signal)) {
          if (event.type === 'tokens') yield { ...event, tokenCount: event.tokenCount * 1_000 };
          else yield { ...event, usage: { ...event.usage, completionTokens: 1_000_000 } };
        }
      },
    });
    const alice = world.member('alice');
    await world.clock.advance(1_000);
    const answers = await askOften(alice, 20);
    expect(askedOf(mallory, answers)).toBe(1);
    expect(askedOf(bob, answers)).toBe(19);
    expect(answers[0]?.events.at(-1)).toMatchObject({ usage: { completionTokens: 24_000 } });
  });

  it('RT12: is distrusted after a failure, although it leaves and comes back', async () => {
    await knownProvider('bob');
    const mallory = liar('mallory', times(100));
    const steady = engine();
    mallory.addEngine({
      ...steady,
      // biome-ignore lint/correctness/useYield: it fails before its first token
      async *generate() {
        throw MeshError.engineFailed('it crashed');
      },
    });
    const alice = world.member('alice');
    await world.clock.advance(1_000);
    let asked = 0;
    for (let round = 0; round < 3; round += 1) {
      asked += askedOf(mallory, await askOften(alice, 1));
      world.network.disconnect('mallory');
      await world.clock.advance(2_000);
      world.network.reconnect('mallory');
      await world.clock.advance(1_000);
    }
    expect(asked).toBe(1);
  });
});

describe('a peer that makes itself a hundred times as slow', () => {
  it('RT14: is spared by those who have another, and costs them nothing', async () => {
    await knownProvider('bob', { tokenIntervalMs: 20 });
    const mallory = liar('mallory', times(0.01));
    mallory.addEngine(engine());
    const alice = world.member('alice');
    await world.clock.advance(1_000);
    expect(askedOf(mallory, await askOften(alice, 10))).toBe(0);
  });
});

describe('a peer with absurd figures', () => {
  it.each<[string, (truth: Announcement) => object]>([
    ['a negative rate', (truth) => withMeasured(truth, { tokensPerSecond: -1 })],
    ['a rate of a billion', (truth) => withMeasured(truth, { tokensPerSecond: 1e9 })],
    ['a TTFT that is no number', (truth) => withMeasured(truth, { ttftMs: Number.NaN })],
    ['an age in the future', (truth) => withMeasured(truth, { ageMs: -1 })],
    ['one model many times', (truth) => ({ ...truth, models: Array.from({ length: 32 }, () => truth.models[0]) })],
  ])('RO5: with %s is no member to anybody, and harms no answer of others', async (_name, lie) => {
    const bob = await knownProvider('bob');
    const mallory = liar('mallory', (truth) => (truth.models.length === 0 ? truth : lie(times(100)(truth) as never)));
    const alice = world.member('alice');
    await world.clock.advance(1_000);
    mallory.addEngine(engine());
    await world.clock.advance(1_000);
    expect(alice.models()).toMatchObject([{ id: model, peers: [bob.peerId] }]);
    const answers = await askOften(alice, 3);
    expect(answers.map(({ state }) => state)).toEqual(['done', 'done', 'done']);
  });

  function withMeasured(truth: Announcement, figures: object): object {
    return {
      ...truth,
      models: truth.models.map((served) => ({ ...served, measured: { ...served.measured, ...figures } })),
    };
  }
});

describe('a peer whose wall clock is hours off', () => {
  it.each([
    ['ahead', 7],
    ['behind', -7],
  ])('RO7: %s lives as long as any other, and its samples are as old as they are', async (_name, hours) => {
    const skewed: Clock = {
      wallMs: () => world.clock.wallMs() + hours * 3_600_000,
      monotonicMs: () => world.clock.monotonicMs(),
      after: (delayMs, callback) => world.clock.after(delayMs, callback),
      soon: (callback) => world.clock.soon(callback),
    };
    const bob = liar('bob', (truth) => ({ ...truth, issuedAtMs: skewed.wallMs() }), skewed);
    bob.addEngine(engine());
    const alice = world.member('alice', 'native');
    await world.clock.advance(1_000);
    world.ask(bob, question);
    await world.clock.advance(60_000);
    const [{ measured } = { measured: null }] = alice.measurementsOf(model);
    expect(measured).toMatchObject({ sampleCount: 1 });
    // The age that it was announced with, at most a renewal ago.
    expect(measured?.ageMs).toBeGreaterThan(45_000);
    expect(measured?.ageMs).toBeLessThan(60_000);
    expect(alice.models()).toMatchObject([{ id: model, peers: [bob.peerId] }]);
  });
});
