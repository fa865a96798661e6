/** A prompt that must be answered soon or not at all. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_FIRST_TOKEN_MS } from '../limits.ts';
import { ModelId } from '../protocol/ids.ts';
import { createScriptedEngine, type ScriptedEngineOptions } from '../testing/scripted-engine.ts';
import { VirtualMesh } from '../testing/virtual-mesh.ts';
import { VIRTUAL_SHAPES } from '../testing/virtual-network.ts';

const request = { model: ModelId.parse('scripted-model'), messages: [{ role: 'user' as const, content: 'Quick!' }] };

let world: VirtualMesh;
beforeEach(() => {
  world = new VirtualMesh();
});
afterEach(() => world.close());

function serve(name: string, options: Partial<ScriptedEngineOptions> = {}) {
  const engine = createScriptedEngine({ clock: world.clock, scenario: 'steady', ...options });
  world.member(name, 'native').addEngine(engine);
  return engine;
}

describe.each(VIRTUAL_SHAPES)('a prompt with a deadline ($name)', (shape) => {
  beforeEach(() => {
    world = new VirtualMesh(1, shape);
  });

  it('ME19: is given up when no token came by then, and its slot is free', async () => {
    const alice = world.member('alice');
    const engine = serve('bob', { scenario: 'silent' });
    await world.clock.advance(1_000);
    const answer = world.ask(alice, { ...request, deadlineMs: 2_000 });
    await world.clock.advance(1_900);
    expect([answer.state, engine.running()]).toEqual(['running', 1]);
    await world.clock.advance(200);
    expect(answer.error).toMatchObject({ code: 'mesh_busy', message: expect.stringContaining('2000 ms') });
    expect(engine.running()).toBe(0);
  });

  it('ME19: waits in no line that is longer', async () => {
    const alice = world.member('alice');
    const engine = serve('bob', { scenario: 'silent', slots: 1 });
    await world.clock.advance(1_000);
    world.ask(alice, request);
    await world.clock.advance(100);
    const answer = world.ask(alice, { ...request, deadlineMs: 500 });
    await world.clock.advance(100);
    expect(answer.error).toMatchObject({ code: 'mesh_busy' });
    expect(engine.requests).toHaveLength(1);
  });

  it('ME19: makes no embedding that comes too late', async () => {
    const alice = world.member('alice');
    const engine = createScriptedEngine({ clock: world.clock, scenario: 'steady', features: ['embeddings'] });
    world.member('bob', 'native').addEngine({ ...engine, embed: () => new Promise<never>(() => {}) });
    await world.clock.advance(1_000);
    const embedding = alice.embed(
      { model: request.model, inputs: ['x'], deadlineMs: 300 },
      new AbortController().signal,
    );
    const refused = expect(embedding).rejects.toMatchObject({ code: 'mesh_busy' });
    await world.clock.advance(400);
    await refused;
  });

  it('ME20: goes on to its end once it has begun', async () => {
    const alice = world.member('alice');
    serve('bob', { ttftMs: 100, tokens: 400 });
    await world.clock.advance(1_000);
    const answer = world.ask(alice, { ...request, deadlineMs: 300 });
    await world.clock.advance(20_000);
    expect(answer.state).toBe('done');
    expect(answer.events.at(-1)).toMatchObject({ type: 'end', usage: { completionTokens: 400 } });
  });
});

it('ME40: a prompt of hours to read that nobody answers is given up after ten minutes, whoever was asked', async () => {
  const alice = world.member('alice');
  const silent = { scenario: 'silent', contextTokens: 1_000_000 } as const;
  const engines = [serve('bob', silent), serve('carol', silent)];
  await world.clock.advance(1_000);
  const messages = [{ role: 'user' as const, content: 'word '.repeat(180_000) }];
  const answer = world.ask(alice, { model: request.model, messages });
  await world.clock.advance(MAX_FIRST_TOKEN_MS - 1_000);
  expect(answer.state).toBe('running');
  await world.clock.advance(2_000);
  expect(answer.error).toMatchObject({ code: 'peer_lost' });
  expect(engines.map((engine) => engine.running())).toEqual([0, 0]);
});
