/** Every finished job leaves a sample at both ends, or one line that says why not; and what goes wrong with that. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Engine, EngineEvent } from '../ports/engine.ts';
import type { Logger } from '../ports/logger.ts';
import { ModelId, type PeerId } from '../protocol/ids.ts';
import { createScriptedEngine, type ScriptedEngineOptions } from '../testing/scripted-engine.ts';
import { VirtualMesh } from '../testing/virtual-mesh.ts';
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

interface Member {
  readonly mesh: Mesh;
  /** Why jobs gave no sample here. */
  readonly unsampled: { readonly reason?: string; readonly code?: string }[];
}

function member(name: string): Member {
  const unsampled: Member['unsampled'] = [];
  const logger: Logger = {
    debug() {},
    info(fields, text) {
      if (text === 'A job gave no sample.') unsampled.push(fields);
    },
    warn() {},
    error() {},
  };
  return { mesh: world.member(name, 'native', { logger }), unsampled };
}

function provider(name: string, options: Partial<ScriptedEngineOptions> = {}, wrap = (engine: Engine) => engine) {
  const joined = member(name);
  const engine = createScriptedEngine({ clock: world.clock, scenario: 'steady', ...options });
  joined.mesh.addEngine(wrap(engine));
  return { ...joined, engine };
}

describe.each(VIRTUAL_SHAPES)('what the entry hears of an answer ($name)', (shape) => {
  beforeEach(() => {
    world = new VirtualMesh(1, shape);
  });

  it('SG32: who answered which model, with its figures and no word of it', async () => {
    const { mesh } = provider('alice');
    const asker = world.member('bob');
    await world.clock.advance(100);

    const answer = world.ask(asker, question);
    await world.clock.advance(60_000);

    const end = answer.events.at(-1);
    if (end?.type !== 'end') throw new Error('The answer did not end.');
    const { usage, ttftMs, tokensPerSecond } = end;
    expect(world.network.reports).toEqual([
      {
        from: 'bob',
        entry: 0,
        report: {
          servedBy: 'mesh',
          peerId: mesh.peerId,
          model,
          completionTokens: usage.completionTokens,
          ttftMs,
          tokensPerSecond,
        },
      },
    ]);
    expect(tokensPerSecond).toBeGreaterThan(0);
  });

  it('SG32: that one failed, but not one that its asker stopped', async () => {
    provider('alice');
    const asker = world.member('bob');
    await world.clock.advance(100);
    const stop = new AbortController();

    world.ask(asker, question, stop.signal);
    await world.clock.advance(50);
    stop.abort();
    await world.clock.advance(1_000);
    expect(world.network.reports).toEqual([]);

    world.ask(asker, question);
    await world.clock.advance(50);
    world.network.kill('alice');
    await world.clock.advance(60_000);
    expect(world.network.reports).toEqual([{ from: 'bob', entry: 0, report: { servedBy: 'failed' } }]);
  });

  it('SG32: nothing of what the entry asked for itself, which its API counts', async () => {
    provider('alice');
    const entry = world.member('entry', 'entry');
    await world.clock.advance(100);

    const answer = world.ask(entry, question);
    await world.clock.advance(60_000);

    expect(answer.state).toBe('done');
    expect(world.network.reports).toEqual([]);
  });
});

/** The same engine with another stream of events. */
function withEvents(map: (events: AsyncIterable<EngineEvent>) => AsyncIterable<EngineEvent>) {
  return (engine: Engine): Engine => ({
    ...engine,
    generate: (request, signal) => map(engine.generate(request, signal)),
  });
}

/** One sample of alice's own: bob's, which she is told of, knows nothing of the way there and back. */
const ownSample = { sampleCount: 1, ttftMs: expect.closeTo(22, 5) };
const measurementOf = (at: Mesh, of: PeerId) =>
  at.measurementsOf(model).find(({ peerId }) => peerId === of)?.measured ?? null;
const sampleCount = (at: Mesh, of: Mesh) => measurementOf(at, of.peerId)?.sampleCount ?? 0;
/** What a member is told of another, whatever it measured itself. */
const announced = (at: Mesh, of: Mesh) =>
  at.peers().find(({ peerId }) => peerId === of.peerId)?.announcement.models[0]?.measured ?? null;

describe.each(VIRTUAL_SHAPES)('a finished job ($name)', (shape) => {
  beforeEach(() => {
    world = new VirtualMesh(1, shape);
  });

  it('BL20: leaves one sample at both ends, and none is told as missing', async () => {
    const alice = member('alice');
    const bob = provider('bob');
    await world.clock.advance(1_000);
    world.ask(alice.mesh, question);
    await world.clock.advance(2_000);
    expect(measurementOf(alice.mesh, bob.mesh.peerId)).toMatchObject(ownSample);
    expect(sampleCount(bob.mesh, bob.mesh)).toBe(1);
    expect([...alice.unsampled, ...bob.unsampled]).toEqual([]);
  });

  it('BL20: that stays at home is recorded too, and once', async () => {
    const bob = provider('bob');
    await world.clock.advance(1_000);
    const answer = world.ask(bob.mesh, question);
    await world.clock.advance(2_000);
    expect(answer.state).toBe('done');
    expect(sampleCount(bob.mesh, bob.mesh)).toBe(1);
  });

  it('BL21: reaches members that knew the peer before, within 5 s and every time', async () => {
    const alice = member('alice');
    const bob = provider('bob');
    const carol = member('carol');
    await world.clock.advance(60_000);
    expect(announced(carol.mesh, bob.mesh)).toBeNull();
    for (const count of [1, 2, 3]) {
      let changes = 0;
      const unsubscribe = carol.mesh.onChange(() => {
        changes += 1;
      });
      world.ask(alice.mesh, question);
      await world.clock.advance(300 + 5_000);
      expect(announced(carol.mesh, bob.mesh)).toMatchObject({ sampleCount: count });
      expect(changes).toBeGreaterThan(0);
      unsubscribe();
    }
  });

  it('BL22: is measured by its tokens, whatever the engine’s other figures say', async () => {
    const alice = member('alice');
    const bob = provider(
      'bob',
      { tokens: 64 },
      withEvents(async function* (events) {
        for await (const event of events) {
          if (event.type === 'tokens') yield event;
          else yield { ...event, usage: { ...event.usage, promptTokens: 953_000, completionTokens: 953_000 } };
        }
      }),
    );
    await world.clock.advance(1_000);
    world.ask(alice.mesh, question);
    await world.clock.advance(2_000);
    expect(measurementOf(alice.mesh, bob.mesh.peerId)?.tokensPerSecond).toBeCloseTo(100, 0);
    expect(measurementOf(bob.mesh, bob.mesh.peerId)?.tokensPerSecond).toBeCloseTo(100, 0);
  });

  it('BL22: whose rate no hardware reaches is dropped and logged', async () => {
    const bob = provider('bob', { ttftMs: 0, tokenIntervalMs: 0 });
    await world.clock.advance(1_000);
    const answer = world.ask(bob.mesh, question);
    await world.clock.advance(2_000);
    expect(answer.state).toBe('done');
    expect(sampleCount(bob.mesh, bob.mesh)).toBe(0);
    expect(bob.unsampled).toMatchObject([{ reason: 'implausible_rate' }]);
  });

  it('BL23: whose tokens all come at once has a rate over its wall time, neither zero nor none', async () => {
    const alice = member('alice');
    const bob = provider('bob', { ttftMs: 100, tokenIntervalMs: 0 });
    await world.clock.advance(1_000);
    world.ask(alice.mesh, question);
    await world.clock.advance(2_000);
    for (const end of [alice.mesh, bob.mesh]) {
      expect(measurementOf(end, bob.mesh.peerId)).toMatchObject({ sampleCount: 1 });
      expect(measurementOf(end, bob.mesh.peerId)?.tokensPerSecond).toBeGreaterThan(200);
      expect(measurementOf(end, bob.mesh.peerId)?.tokensPerSecond).toBeLessThan(250);
    }
  });

  it('BL24: counts although its reader left before the end was read', async () => {
    const alice = member('alice');
    const bob = provider('bob');
    await world.clock.advance(1_000);
    const events = alice.mesh.complete(question, new AbortController().signal)[Symbol.asyncIterator]();
    expect((await events.next()).value).toMatchObject({ type: 'route' });
    const first = events.next();
    await world.clock.advance(2_000);
    expect((await first).value).toMatchObject({ type: 'tokens' });
    await events.return?.(undefined);
    expect(measurementOf(alice.mesh, bob.mesh.peerId)).toMatchObject(ownSample);
    expect(sampleCount(bob.mesh, bob.mesh)).toBe(1);
    expect([...alice.unsampled, ...bob.unsampled]).toEqual([]);
  });

  it('BL24: counts although it was cancelled between its last token and its end', async () => {
    const alice = member('alice');
    let finish = () => {};
    const bob = provider(
      'bob',
      {},
      withEvents(async function* (events) {
        for await (const event of events) {
          if (event.type === 'end') {
            await new Promise<void>((resolve) => {
              finish = resolve;
            });
          }
          yield event;
        }
      }),
    );
    await world.clock.advance(1_000);
    const controller = new AbortController();
    world.ask(alice.mesh, question, controller.signal);
    await world.clock.advance(2_000);
    controller.abort();
    await world.clock.advance(100);
    finish();
    await world.clock.advance(100);
    expect(sampleCount(bob.mesh, bob.mesh)).toBe(1);
    expect(bob.unsampled).toEqual([]);
  });
});

describe.each(VIRTUAL_SHAPES)('a job without a sample ($name)', (shape) => {
  beforeEach(() => {
    world = new VirtualMesh(1, shape);
  });

  it('BL25: that was cancelled midway is one line at either end: client_disconnected', async () => {
    const alice = member('alice');
    const bob = provider('bob', { tokens: 500 });
    await world.clock.advance(1_000);
    const controller = new AbortController();
    world.ask(alice.mesh, question, controller.signal);
    await world.clock.advance(1_000);
    controller.abort();
    await world.clock.advance(1_000);
    expect(alice.unsampled).toMatchObject([{ reason: 'client_disconnected', model }]);
    expect(bob.unsampled).toMatchObject([{ reason: 'client_disconnected', model }]);
    expect(sampleCount(bob.mesh, bob.mesh)).toBe(0);
  });

  it('BL25: that was cancelled while it waited is one line too', async () => {
    const alice = member('alice');
    const bob = provider('bob', { tokens: 500, slots: 1 });
    await world.clock.advance(1_000);
    world.ask(alice.mesh, question);
    await world.clock.advance(500);
    const controller = new AbortController();
    world.ask(alice.mesh, question, controller.signal);
    await world.clock.advance(500);
    controller.abort();
    await world.clock.advance(500);
    expect(bob.engine.requests).toHaveLength(1);
    expect(bob.unsampled).toMatchObject([{ reason: 'client_disconnected' }]);
  });

  it('BL26: whose engine failed is one line with the code: non_2xx_status', async () => {
    const alice = member('alice');
    const bob = provider('bob', { scenario: 'dies-midway' });
    await world.clock.advance(1_000);
    world.ask(alice.mesh, question);
    await world.clock.advance(2_000);
    expect(alice.unsampled).toMatchObject([{ reason: 'non_2xx_status', code: 'engine_failed' }]);
    expect(bob.unsampled).toMatchObject([{ reason: 'non_2xx_status', code: 'engine_failed' }]);
  });

  it('BL26: whose peer died is one line with the code as well', async () => {
    const alice = member('alice');
    provider('bob', { tokens: 500 });
    await world.clock.advance(1_000);
    world.ask(alice.mesh, question);
    await world.clock.advance(1_000);
    world.network.kill('bob');
    await world.clock.advance(5_000);
    expect(alice.unsampled).toMatchObject([{ reason: 'non_2xx_status', code: 'peer_lost' }]);
  });

  it('BL27: that made no token is zero_completion_tokens', async () => {
    const alice = member('alice');
    const bob = provider('bob', { tokens: 0 });
    await world.clock.advance(1_000);
    const answer = world.ask(alice.mesh, question);
    await world.clock.advance(2_000);
    expect(answer.state).toBe('done');
    expect(alice.unsampled).toMatchObject([{ reason: 'zero_completion_tokens' }]);
    expect(bob.unsampled).toMatchObject([{ reason: 'zero_completion_tokens' }]);
  });

  it('BL28: whose engine gave no usage is usage_missing', async () => {
    const bob = provider(
      'bob',
      {},
      withEvents(async function* (events) {
        for await (const event of events) {
          if (event.type === 'tokens') yield event;
          else yield { ...event, usageIsGuess: true };
        }
      }),
    );
    await world.clock.advance(1_000);
    world.ask(bob.mesh, question);
    await world.clock.advance(2_000);
    expect(bob.unsampled).toMatchObject([{ reason: 'usage_missing' }]);
    expect(sampleCount(bob.mesh, bob.mesh)).toBe(0);
  });
});
