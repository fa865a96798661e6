/**
 * Members of three ages in one mesh: of yesterday, which refuse what they don't know (`yesterdays-wire.ts`), of this
 * version, and of tomorrow, which say more than anybody knows.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { MeshError } from '../errors.ts';
import { createIdentity } from '../identity/identity.ts';
import type { Engine } from '../ports/engine.ts';
import { silentLogger } from '../ports/logger.ts';
import { ModelId } from '../protocol/ids.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createScriptedEngine, type ScriptedEngineOptions } from '../testing/scripted-engine.ts';
import { createSeededRandom } from '../testing/seeded-random.ts';
import { asTomorrow } from '../testing/tomorrows-member.ts';
import { VirtualMesh } from '../testing/virtual-mesh.ts';
import { VIRTUAL_SHAPES } from '../testing/virtual-network.ts';
import { asYesterday, type YesterdaysPorts } from '../testing/yesterdays-member.ts';
import { createMesh } from './mesh.ts';
import type { AnswerEvent, Mesh } from './mesh-interface.ts';

type Age = 'yesterday' | 'today' | 'tomorrow' | 'bold tomorrow';
const AGES = ['yesterday', 'today', 'tomorrow'] as const;
const PAIRS = AGES.flatMap((asking) => AGES.map((answering) => [asking, answering] as const));

const model = ModelId.parse('scripted-model');
const question = { model, messages: [{ role: 'user' as const, content: 'How old are you?' }], temperature: 0 };
const random = createSeededRandom(29);

let world = new VirtualMesh();
let members: Mesh[] = [];
let yesterdays: YesterdaysPorts[] = [];
afterEach(async () => {
  const closed = Promise.all(members.map((mesh) => mesh.close()));
  await world.close();
  await closed;
  expect(world.clock.pendingTimers()).toBe(0);
  world = new VirtualMesh();
  members = [];
  yesterdays = [];
});

function member(name: string, age: Age, engine?: Engine): Mesh {
  const identity = createIdentity(random);
  const mesh = createMesh({
    identity,
    kind: engine === undefined ? 'tab' : 'native',
    version: `0.0.0-${age}`.slice(0, 32),
    ...portsOf(name, age, identity),
    clock: world.clock,
    random,
    logger: silentLogger,
  });
  members.push(mesh);
  if (engine !== undefined) mesh.addEngine(engine);
  return mesh;
}

function portsOf(name: string, age: Age, identity: ReturnType<typeof createIdentity>) {
  const ports = world.network.join(name);
  if (age === 'today') return ports;
  if (age !== 'yesterday') return asTomorrow(identity, ports, { bold: age === 'bold tomorrow' });
  const yesterday = asYesterday(identity, ports);
  yesterdays.push(yesterday);
  return yesterday;
}

function engine(options: Partial<ScriptedEngineOptions> = {}): Engine {
  return createScriptedEngine({ clock: world.clock, scenario: 'steady', ...options });
}

/** Nothing that reached a member of yesterday was refused there, and it sent nothing that it could not have sent. */
function expectYesterdayUndisturbed() {
  for (const { refused, strays } of yesterdays) expect({ refused, strays }).toEqual({ refused: [], strays: [] });
}

/** What any engine of the class says. */
async function undisturbed(): Promise<string> {
  const clock = new ManualClock();
  const request = { messages: question.messages, maxTokens: 1_000, temperature: 0, topP: 1, stop: [] };
  let text = '';
  const reading = (async () => {
    const alone = createScriptedEngine({ clock, scenario: 'steady' });
    for await (const event of alone.generate(request, new AbortController().signal)) {
      if (event.type === 'tokens') text += event.text;
    }
  })();
  await clock.advance(5_000);
  await reading;
  return text;
}

const routeOf = (events: readonly AnswerEvent[]) =>
  events.flatMap((event) => (event.type === 'route' ? [{ peerId: event.peerId, continues: event.continues }] : []));

describe('a mesh of three ages', () => {
  it.each(PAIRS)('WR13: one of %s finds one of %s and is answered by it', async (asking, answering) => {
    const bob = member('bob', answering, engine({ features: ['seed', 'continue', 'json', 'embeddings'] }));
    const alice = member('alice', asking);
    await world.clock.advance(1_000);
    expect(alice.models()).toMatchObject([{ id: model, peers: [bob.peerId] }]);
    expect(bob.peers().map(({ peerId }) => peerId)).toContain(alice.peerId);

    const answer = world.ask(alice, question);
    const extras = world.ask(alice, { ...question, responseFormat: { type: 'json_object' } });
    const embedding = alice.embed({ model, inputs: ['a', 'b'] }, new AbortController().signal);
    await world.clock.advance(10_000);
    expect(answer).toMatchObject({ state: 'done', text: await undisturbed() });
    expect(answer.events.at(-1)).toMatchObject({ type: 'end', reason: 'stop', usage: { completionTokens: 24 } });
    expect(extras.state).toBe('done');
    expect((await embedding).vectors).toHaveLength(2);
    expect(routeOf(answer.events)).toEqual([{ peerId: bob.peerId, continues: null }]);
    expectYesterdayUndisturbed();
  });

  it.each(PAIRS)(
    'TH4: one of %s gets thoughts from one of %s, marked where both know marks',
    async (asking, answering) => {
      member('bob', answering, engine({ thoughts: 6 }));
      const alice = member('alice', asking);
      await world.clock.advance(1_000);
      const answer = world.ask(alice, question);
      await world.clock.advance(10_000);
      expect(answer.state).toBe('done');
      const tokens = answer.events.filter((event) => event.type === 'tokens');
      const written = tokens.map((event) => event.written ?? event.text).join('');
      expect(written).toMatch(/^<think>\n .*\n<\/think>\n\n /);
      const knowsMarks = asking !== 'yesterday' && answering !== 'yesterday';
      expect(tokens.some(({ thought }) => thought === true)).toBe(knowsMarks);
      expect(answer.text === written).toBe(!knowsMarks);
      expectYesterdayUndisturbed();
    },
  );

  it.each(PAIRS)('WR13: one of %s hears of one of %s why it was not answered', async (asking, answering) => {
    const failures = {
      tiny: MeshError.contextLengthExceeded(9_000, 1_000),
      full: new MeshError('out_of_memory', 'There is no room for this answer. Ask another peer.', { retryable: true }),
      // No peer tells of its files.
      torn: new MeshError('checksum_mismatch', 'The weights changed on the disk. Pull the model again.'),
    };
    const bob = member('bob', answering);
    for (const [id, failure] of Object.entries(failures)) {
      bob.addEngine({
        ...engine({ id }),
        // biome-ignore lint/correctness/useYield: it fails before its first token
        async *generate() {
          throw failure;
        },
      });
    }
    const alice = member('alice', asking);
    await world.clock.advance(1_000);
    const answers = Object.keys(failures).map((id) => world.ask(alice, { ...question, model: ModelId.parse(id) }));
    await world.clock.advance(5_000);
    const codes = ['context_length_exceeded', 'out_of_memory', 'engine_failed'];
    expect(answers.map(({ error }) => MeshError.is(error) && error.code)).toEqual(codes);
    expect(answers.map(({ error }) => (error as Error).message)).toEqual(
      Object.values(failures).map(({ message }) => expect.stringContaining(`It said: "${message}"`)),
    );
    expectYesterdayUndisturbed();
  });

  const FAILOVERS = PAIRS.flatMap(([first, next]) => AGES.map((asking) => [asking, first, next] as const));
  it.each(FAILOVERS)(
    'WR13: one of %s is answered by one of %s and, when that is lost, on by one of %s',
    async (asking, first, next) => {
      const mallory = member('mallory', first, engine());
      const alice = member('alice', asking);
      await world.clock.advance(1_000);
      const answer = world.ask(alice, question);
      await world.clock.advance(150);
      const bob = member('bob', next, engine());
      expect(answer.text).not.toBe('');
      world.network.kill('mallory');
      await world.clock.advance(20_000);
      expect(answer).toMatchObject({ state: 'done', text: await undisturbed() });
      expect(routeOf(answer.events)).toEqual([
        { peerId: mallory.peerId, continues: null },
        { peerId: bob.peerId, continues: 'same-class' },
      ]);
      expectYesterdayUndisturbed();
    },
  );

  const shapes = VIRTUAL_SHAPES.filter(({ blockedWays }) => blockedWays === undefined);
  it.each(shapes)('WR13: all at once know each other and are cut off by nobody ($name)', async (shape) => {
    world = new VirtualMesh(1, shape);
    const everybody = AGES.flatMap((age) => [member(`${age} lends`, age, engine()), member(`${age} asks`, age)]);
    await world.clock.advance(1_000);
    const answers = everybody.map((mesh) => world.ask(mesh, question));
    await world.clock.advance(120_000);
    expect(answers.map(({ state }) => state)).toEqual(everybody.map(() => 'done'));
    for (const mesh of everybody) {
      expect(mesh.peers().filter(({ peerId }) => everybody.some((other) => other.peerId === peerId))).toHaveLength(6);
      expect(mesh.models()[0]?.peers).toHaveLength(3);
    }
    expectYesterdayUndisturbed();
  });
});

describe('one of tomorrow that uses names which no list of today has', () => {
  it.each([
    ['asks', 'today', 'bold tomorrow'],
    ['is asked by', 'bold tomorrow', 'today'],
  ] as const)('WR9: %s one of this version as any other', async (_name, asking, answering) => {
    const bob = member('bob', answering, engine());
    const alice = member('alice', asking);
    await world.clock.advance(1_000);
    expect(alice.models()).toMatchObject([{ id: model, peers: [bob.peerId] }]);
    const answer = world.ask(alice, question);
    await world.clock.advance(5_000);
    expect(answer).toMatchObject({ state: 'done', text: await undisturbed() });
  });

  it('WR9: shows as a peer of a kind of its own, with the models, the family and the features that can be read', async () => {
    const bob = member('bob', 'bold tomorrow', engine());
    const alice = member('alice', 'today');
    await world.clock.advance(1_000);
    const announcement = alice.peers().find(({ peerId }) => peerId === bob.peerId)?.announcement;
    expect(announcement).toMatchObject({ kind: 'other', state: 'ready' });
    expect(announcement?.models).toMatchObject([{ id: model, family: 'photonic.rs', features: ['seed', 'continue'] }]);
    expect(announcement).not.toHaveProperty('__future__');
  });

  it.each(['today', 'tomorrow'] as const)('WR9: takes its turn in a failover with one of %s', async (age) => {
    const mallory = member('mallory', age, engine());
    const alice = member('alice', 'today');
    await world.clock.advance(1_000);
    const answer = world.ask(alice, question);
    await world.clock.advance(150);
    const bob = member('bob', 'bold tomorrow', engine());
    world.network.kill('mallory');
    await world.clock.advance(20_000);
    expect(answer).toMatchObject({ state: 'done', text: await undisturbed() });
    expect(routeOf(answer.events).map(({ peerId }) => peerId)).toEqual([mallory.peerId, bob.peerId]);
  });

  it('WR14: is not seen by those of yesterday, which lose its record and no link, and answer it', async () => {
    const carol = member('carol', 'yesterday', engine());
    const bob = member('bob', 'bold tomorrow');
    const alice = member('alice', 'yesterday');
    await world.clock.advance(1_000);
    expect(carol.peers().map(({ peerId }) => peerId)).not.toContain(bob.peerId);
    const answers = [world.ask(alice, question), world.ask(bob, question)];
    await world.clock.advance(120_000);
    expect(answers).toMatchObject([{ state: 'done' }, { state: 'done', text: await undisturbed() }]);
    for (const { refused, strays } of yesterdays) {
      expect(new Set(refused)).toEqual(new Set(['announcement']));
      expect(strays).toEqual([]);
    }
  });
});
