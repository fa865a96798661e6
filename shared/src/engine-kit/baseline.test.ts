/** The collector in front of a scripted engine: 20 ms to the first token, then one every 10 ms. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Engine } from '../ports/engine.ts';
import { silentLogger } from '../ports/logger.ts';
import type { Baseline } from '../protocol/announcement.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createScriptedEngine, type ScriptedEngineOptions } from '../testing/scripted-engine.ts';
import { BaselineCollector, type BaselineStore, DeviceLoad, type StoredBaseline } from './baseline.ts';

const hourMs = 3_600_000;
const collectors: BaselineCollector[] = [];
const clocks: ManualClock[] = [];

afterEach(async () => {
  for (const collector of collectors.splice(0)) collector.close();
  for (const clock of clocks.splice(0)) {
    await clock.advance(0);
    expect(clock.pendingTimers()).toBe(0);
  }
});

function setUp(
  options: Partial<ScriptedEngineOptions> & {
    kept?: Map<string, unknown>;
    clock?: ManualClock;
    load?: DeviceLoad;
  } & Partial<Pick<BaselineStore, 'set'>> = {},
  wrap = (engine: Engine): Engine => engine,
) {
  const { kept = new Map<string, unknown>(), clock = new ManualClock(), load, set, ...rest } = options;
  const scripted = createScriptedEngine({ clock, scenario: 'steady', slots: 1, tokens: 128, ...rest });
  const published: Baseline[] = [];
  const collector = new BaselineCollector({
    engine: wrap(scripted),
    clock,
    load,
    store: {
      get: async (key) => kept.get(key),
      set:
        set ??
        (async (key: string, stored: StoredBaseline) => {
          kept.set(key, stored);
        }),
    },
    logger: silentLogger,
    onBaseline: (baseline) => published.push(baseline),
  });
  collectors.push(collector);
  clocks.push(clock);
  return { clock, scripted, collector, published, kept };
}

/** A user's job; `firstTokenMs` is when its first token came. */
function ask(engine: Engine, clock: ManualClock) {
  const job = { state: 'running', tokens: 0, firstTokenMs: Number.NaN };
  const request = { messages: [{ role: 'user' as const, content: 'Hi' }], maxTokens: 50, temperature: 0, topP: 1 };
  void (async () => {
    for await (const event of engine.generate({ ...request, stop: [] }, new AbortController().signal)) {
      if (event.type !== 'tokens') continue;
      if (job.tokens === 0) job.firstTokenMs = clock.monotonicMs();
      job.tokens += event.tokenCount;
    }
    job.state = 'done';
  })().catch((error: unknown) => {
    job.state = String(error);
  });
  return job;
}

describe('the native baseline', () => {
  it('BL1: is the median of three deterministic completions, 30 s after the engine is ready and 1 s apart', async () => {
    const { clock, scripted, published } = setUp();
    await clock.advance(29_999);
    expect(scripted.requests).toHaveLength(0);
    await clock.advance(1);
    expect(scripted.requests).toHaveLength(1);
    await clock.advance(10_000);
    expect(published).toEqual([{ ttftMs: 20, tokensPerSecond: expect.closeTo(100, 0), sampleCount: 3, ageMs: 0 }]);
    expect(scripted.requests).toHaveLength(3);
    for (const request of scripted.requests) {
      expect(request).toMatchObject({ temperature: 0, seed: 42, maxTokens: 128 });
    }
  });

  it('BL2: sends every run another prompt, so that no engine answers from its prompt cache', async () => {
    const { clock, scripted } = setUp();
    await clock.advance(40_000);
    const beginnings = scripted.requests.map(({ messages }) => messages[0]?.content.slice(0, 4));
    expect(new Set(beginnings).size).toBe(3);
  });

  it('BL3: is kept by class and backend, published at the next start with its age, and renewed after 12 h', async () => {
    const kept = new Map<string, unknown>();
    const clock = new ManualClock();
    const first = setUp({ kept, clock });
    await clock.advance(40_000);
    const { classId, backend } = first.scripted.model;
    expect([...kept.keys()]).toEqual([`${classId} ${backend}`]);
    first.collector.close();

    await clock.advance(2 * hourMs);
    const second = setUp({ kept, clock });
    await clock.advance(60_000);
    expect(second.scripted.requests).toHaveLength(0);
    expect(second.published).toMatchObject([{ sampleCount: 3, ageMs: expect.closeTo(2 * hourMs, -4) }]);
    await clock.advance(10 * hourMs);
    expect(second.scripted.requests).toHaveLength(3);
    expect(second.published.at(-1)).toMatchObject({ sampleCount: 3, ageMs: 0 });
    await clock.advance(12 * hourMs + 60_000);
    expect(second.scripted.requests).toHaveLength(6);
  });

  it('BL3: of another file is none of this engine’s', async () => {
    const kept = new Map<string, unknown>();
    const clock = new ManualClock();
    setUp({ kept, clock });
    await clock.advance(40_000);
    const other = setUp({ kept, clock, id: 'other-model' });
    await clock.advance(20_000);
    expect(other.published).toEqual([]);
    await clock.advance(20_000);
    expect(kept.size).toBe(2);
  });

  it('BL4: gives way to a job at once, though the engine has one slot, and is measured when it is quiet again', async () => {
    const { clock, scripted, collector, published } = setUp();
    await clock.advance(30_500);
    expect(scripted.running()).toBe(1);
    const askedMs = clock.monotonicMs();
    const job = ask(collector.engine, clock);
    await clock.advance(1_000);
    expect(job).toMatchObject({ state: 'done', tokens: 50, firstTokenMs: askedMs + 20 });
    expect(published).toEqual([]);
    await clock.advance(20_000);
    expect(published).toMatchObject([{ sampleCount: 3, ttftMs: 20 }]);
  });

  it('BL4: gives way between two of its runs as well', async () => {
    const { clock, scripted, collector, published } = setUp();
    await clock.advance(31_800);
    expect(scripted.running()).toBe(0);
    const job = ask(collector.engine, clock);
    await clock.advance(600);
    expect(job.state).toBe('done');
    expect(scripted.requests).toHaveLength(2);
    await clock.advance(20_000);
    expect(published).toHaveLength(1);
  });

  it('BL4: gives way to embeddings as well', async () => {
    const { clock, scripted, collector, published } = setUp();
    await clock.advance(30_500);
    expect(scripted.running()).toBe(1);
    const embedding = collector.engine.embed?.(['Hi'], new AbortController().signal);
    await clock.advance(1_000);
    expect((await embedding)?.vectors).toHaveLength(1);
    expect(published).toEqual([]);
    await clock.advance(20_000);
    expect(published).toHaveLength(1);
  });

  it('BL5: waits as long as a job runs', async () => {
    const { clock, scripted, collector, published } = setUp({ ttftMs: 60_000 });
    const job = ask(collector.engine, clock);
    await clock.advance(60_000);
    expect(scripted.requests).toHaveLength(1);
    await clock.advance(5_000);
    expect(job.state).toBe('done');
    expect(published).toEqual([]);
    await clock.advance(300_000);
    expect(published).toHaveLength(1);
  });

  it('BL16: of one engine waits for the jobs and the measurement of the others on its device', async () => {
    const clock = new ManualClock();
    const load = new DeviceLoad();
    const first = setUp({ clock, load, id: 'first' });
    const second = setUp({ clock, load, id: 'second' });
    await clock.advance(31_000);
    expect([first.scripted.running(), second.scripted.running()]).toEqual([1, 0]);
    const job = ask(second.collector.engine, clock);
    await clock.advance(0);
    expect([first.scripted.running(), second.scripted.running()]).toEqual([0, 1]);
    await clock.advance(60_000);
    expect(job.state).toBe('done');
    expect([first.published, second.published]).toMatchObject([[{ ttftMs: 20 }], [{ ttftMs: 20 }]]);
  });

  it('BL6: of an engine that fails is none, and it is tried again later', async () => {
    let failures = 2;
    const { clock, published } = setUp({}, (engine) => ({
      ...engine,
      generate(request, signal) {
        failures -= 1;
        if (failures >= 0) throw new Error('The GPU is gone.');
        return engine.generate(request, signal);
      },
    }));
    await clock.advance(60_000);
    expect(failures).toBe(1);
    await clock.advance(600_000);
    expect(failures).toBe(0);
    expect(published).toEqual([]);
    await clock.advance(600_000);
    expect(published).toMatchObject([{ sampleCount: 3 }]);
  });

  it('BL6: of an engine that answers nothing is none', async () => {
    const { clock, scripted, published } = setUp({ tokens: 0 });
    await clock.advance(hourMs);
    expect(scripted.requests).toHaveLength(3);
    expect(published).toEqual([]);
  });

  it('BL30: of an engine that only guesses its tokens is none', async () => {
    const { clock, scripted, published } = setUp({}, (engine) => ({
      ...engine,
      async *generate(request, signal) {
        for await (const event of engine.generate(request, signal)) {
          yield event.type === 'end' ? { ...event, usageIsGuess: true } : event;
        }
      },
    }));
    await clock.advance(hourMs);
    expect(scripted.requests).toHaveLength(3);
    expect(published).toEqual([]);
  });

  it('BL7: is measured anew when what was kept is broken, from the future, or can not be read', async () => {
    const { classId, backend } = createScriptedEngine({ clock: new ManualClock(), scenario: 'steady' }).model;
    const clock = new ManualClock();
    const fromTheFuture = { ttftMs: 1, tokensPerSecond: 9, sampleCount: 3, measuredAtMs: clock.wallMs() + hourMs };
    for (const broken of ['rubbish', { ttftMs: -1 }, { ...fromTheFuture, tokensPerSecond: 1e9 }, fromTheFuture]) {
      const { published } = setUp({ kept: new Map([[`${classId} ${backend}`, broken]]), clock });
      await clock.advance(20_000);
      expect(published).toEqual([]);
      await clock.advance(20_000);
      expect(published).toMatchObject([{ sampleCount: 3, ageMs: 0 }]);
    }
  });

  it('BL8: that can not be kept is published all the same', async () => {
    const { clock, published } = setUp({ set: () => Promise.reject(new Error('The disk is full.')) });
    await clock.advance(40_000);
    expect(published).toHaveLength(1);
  });

  it('BL9: stops with its collector, in the middle of a run too, and leaves the engine open', async () => {
    const { clock, scripted, collector, published } = setUp();
    await clock.advance(30_500);
    collector.close();
    collector.close();
    await clock.advance(0);
    expect(scripted.running()).toBe(0);
    const job = ask(collector.engine, clock);
    await clock.advance(100_000);
    expect(job.state).toBe('done');
    expect(published).toEqual([]);
  });
});
