/** When there is more to answer than slots: who waits, who is refused, and what they are told. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MeshError } from '../errors.ts';
import { ModelId } from '../protocol/ids.ts';
import { createScriptedEngine, type ScriptedEngineOptions } from '../testing/scripted-engine.ts';
import { VirtualMesh } from '../testing/virtual-mesh.ts';
import { VIRTUAL_SHAPES } from '../testing/virtual-network.ts';

const model = ModelId.parse('scripted-model');
const question = { model, messages: [{ role: 'user' as const, content: 'Hi' }] };

let world: VirtualMesh;
beforeEach(() => {
  world = new VirtualMesh();
});
afterEach(() => world.close());

function serve(name: string, options: Partial<ScriptedEngineOptions>) {
  const engine = createScriptedEngine({ clock: world.clock, scenario: 'steady', ...options });
  world.member(name, 'native').addEngine(engine);
  return engine;
}

it('PR32: one client of an entry that asks without end leaves room for another one, and for other peers', async () => {
  const [entry, tab] = [world.member('entry', 'entry'), world.member('tab')];
  // One answer a second.
  const engine = serve('bob', { slots: 1, tokens: 100 });
  await world.clock.advance(1_000);
  const ask = (content: string, client?: string) =>
    world.ask(client === undefined ? tab : entry, { model, client, messages: [{ role: 'user', content }] });
  const flood = setUpFlood(() => ask('heavy', 'heavy'));
  await world.clock.advance(5_000);
  for (let turn = 0; turn < 5; turn += 1) {
    const [light, other] = [ask('light', 'light'), ask('tab')];
    await world.clock.advance(5_000);
    expect([light.state, other.state]).toEqual(['done', 'done']);
  }
  flood();
  const turns = engine.requests.filter(({ messages }) => messages[0]?.content === 'heavy').length;
  // It gets what is left, not nothing.
  expect(turns).toBeGreaterThan(10);
});

describe.each(VIRTUAL_SHAPES)('a prompt ($name)', (shape) => {
  beforeEach(() => {
    world = new VirtualMesh(1, shape);
  });

  it('ME9: finds every peer busy and learns when the first of them is free', async () => {
    const alice = world.member('alice');
    serve('bob', { scenario: 'silent', slots: 4 });
    serve('carol', { scenario: 'silent', slots: 1 });
    await world.clock.advance(1_000);
    const asked = Array.from({ length: 40 }, () => world.ask(alice, question));
    await world.clock.advance(1_000);
    const refused = asked.filter(({ state }) => state === 'failed');
    expect(refused).toHaveLength(15);
    // 17 answers of 2 s, four at a time; carol has five before her, one at a time.
    for (const { error } of refused) expect((error as MeshError).details.retryAfterMs).toBe(8_500);
  });

  it('ME9: counts a peer that is busy for more than one that fails', async () => {
    const alice = world.member('alice');
    serve('bob', { scenario: 'silent', slots: 1 });
    serve('carol', { scenario: 'dies-midway', slots: 1, tokens: 1 });
    await world.clock.advance(1_000);
    const asked = Array.from({ length: 12 }, () => world.ask(alice, question));
    await world.clock.advance(1_000);
    const codes = asked.flatMap(({ error }) => (error === undefined ? [] : [(error as MeshError).code]));
    expect(codes.length).toBeGreaterThan(0);
    expect(new Set(codes)).toEqual(new Set(['mesh_busy']));
  });
});

it.each([
  ['as it said', 7_000, 7_000],
  ['within an hour, whatever it said', 1e300, 3_600_000],
])('WR22: who asks a peer in front of a busy mesh learns when to come back, %s', async (_name, said, told) => {
  const alice = world.member('alice');
  world.member('bob', 'native').addEngine({
    ...createScriptedEngine({ clock: world.clock, scenario: 'steady' }),
    // biome-ignore lint/correctness/useYield: it fails before its first token
    async *generate() {
      throw MeshError.meshBusy(said);
    },
  });
  await world.clock.advance(1_000);
  const refused = world.ask(alice, question);
  await world.clock.advance(1_000);
  expect(refused.error).toMatchObject({ code: 'mesh_busy', details: { retryAfterMs: told } });
});

/** Five new ones a second. Returns what ends it. */
function setUpFlood(ask: () => unknown): () => void {
  let stop = () => {};
  const flood = () => {
    ask();
    stop = world.clock.after(200, flood);
  };
  flood();
  return () => stop();
}
