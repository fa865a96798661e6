/** The answering end: slots, queue, cancel, drain, and engines that keep to no rule. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MeshError } from '../errors.ts';
import type { JobReply, JobSink } from '../jobs/job-sink.ts';
import type { JobMeasurement } from '../jobs/job-timer.ts';
import type { Engine, EngineEvent, GenerationRequest } from '../ports/engine.ts';
import { silentLogger } from '../ports/logger.ts';
import { JobId, ModelId } from '../protocol/ids.ts';
import type { PeerMessageOf } from '../protocol/messages.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createScriptedEngine, type ScriptedEngineOptions } from '../testing/scripted-engine.ts';
import { Provider } from './provider.ts';

const model = ModelId.parse('scripted-model');
const hourMs = 3_600_000;

let clock: ManualClock;
let provider: Provider;
let measured: JobMeasurement[];
let jobCount = 0;

beforeEach(() => {
  clock = new ManualClock();
  measured = [];
  provider = new Provider({
    clock,
    logger: silentLogger,
    onChange: () => {},
    onMeasured: (_model, measurement) => measured.push(measurement),
  });
});

afterEach(() => {
  expect(clock.pendingTimers()).toBe(0);
});

interface HeldSink extends JobSink {
  isOpen: boolean;
  readonly replies: JobReply[];
  /** Makes the sink one that nobody reads. */
  blocked: boolean;
  /** What came of one job: its text, and its last word when that is no delta. */
  of(jobId: JobId): { text: string; end: JobReply | undefined };
}

function sinkOf(): HeldSink {
  const replies: JobReply[] = [];
  return {
    isOpen: true,
    blocked: false,
    replies,
    send: (reply) => replies.push(reply),
    ready() {
      return this.blocked ? new Promise(() => {}) : undefined;
    },
    of(jobId) {
      const own = replies.filter((reply) => reply.jobId === jobId);
      const last = own.at(-1);
      return {
        text: own.map((reply) => (reply.type === 'token-delta' ? reply.text : '')).join(''),
        end: last?.type === 'token-delta' ? undefined : last,
      };
    },
  };
}

function start(sink: JobSink, changes: Partial<PeerMessageOf<'job-start'>> = {}): JobId {
  jobCount += 1;
  const jobId = changes.jobId ?? JobId.parse(jobCount.toString(16).padStart(32, '0'));
  provider.handleStart(sink, {
    type: 'job-start',
    jobId,
    model,
    parameters: { messages: [{ role: 'user', content: 'Hi' }], maxTokens: 100, temperature: 0, topP: 1, stop: [] },
    ...changes,
  });
  return jobId;
}

function serve(options: Partial<ScriptedEngineOptions> = {}) {
  const engine = createScriptedEngine({ clock, scenario: 'steady', ...options });
  provider.addEngine(engine);
  return engine;
}

/** An engine of one slot whose answers are what `generate` says. */
function serveAs(generate: (request: GenerationRequest, signal: AbortSignal) => AsyncIterable<EngineEvent>): Engine {
  const engine = { ...createScriptedEngine({ clock, scenario: 'steady', slots: 1 }), generate };
  provider.addEngine(engine);
  return engine;
}

const token: EngineEvent = { type: 'tokens', text: 'x', tokenCount: 1 };
const pause = (ms: number) => new Promise<void>((resolve) => clock.after(ms, resolve));

describe('a job', () => {
  it('PR1: is answered by deltas whose numbers add up, and one end; it is counted and measured', async () => {
    serve({ tokens: 24 });
    const sink = sinkOf();
    const jobId = start(sink);
    await clock.advance(1_000);
    let next = 0;
    for (const reply of sink.replies.slice(0, -1)) {
      expect(reply).toMatchObject({ type: 'token-delta', jobId, firstToken: next });
      if (reply.type === 'token-delta') next += reply.tokenCount;
    }
    expect(sink.replies.at(-1)).toMatchObject({ type: 'job-end', reason: 'stop', usage: { completionTokens: next } });
    expect(provider.totals()).toEqual({ activeJobs: 0, finishedJobs: 1, tokens: 24 });
    expect(measured).toMatchObject([{ ttftMs: 20, tokensPerSecond: expect.closeTo(100, 5) }]);
  });

  it('PR2: runs in one of the engine’s slots; the others wait in order', async () => {
    const engine = serve({ slots: 2 });
    const sink = sinkOf();
    const jobs = Array.from({ length: 5 }, () => start(sink));
    expect(provider.services()).toMatchObject([{ inFlight: 2, queued: 3 }]);
    expect(engine.running()).toBe(2);
    await clock.advance(5_000);
    const ends = sink.replies.filter((reply) => reply.type === 'job-end').map((reply) => reply.jobId);
    expect(ends).toEqual(jobs);
  });

  it('PR3: past the queue is refused as busy at once, with an estimate that learns', async () => {
    const engine = serve({ slots: 1, tokenIntervalMs: 500 });
    const sinks = Array.from({ length: 7 }, sinkOf);
    const lastWord = (sink: HeldSink) => sink.of(start(sink)).end;
    const [guess] = sinks.map(lastWord).filter((end) => end !== undefined);
    expect(guess).toMatchObject({ type: 'job-error', code: 'peer_busy', retryable: true });
    await clock.advance(12_000);
    const [learnt] = sinks.map(lastWord).filter((end) => end !== undefined);
    if (guess?.type !== 'job-error' || learnt?.type !== 'job-error') throw new Error('A job was not refused.');
    expect(guess.waitMs).toBeGreaterThan(0);
    expect(learnt.waitMs).toBeGreaterThan(guess.waitMs ?? 0);
    expect(engine.running()).toBe(1);
    for (const sink of sinks) provider.handleSinkClosed(sink);
    await clock.advance(100);
  });

  it('PR4: for a model that is not served is refused, and may be asked of others', () => {
    const sink = sinkOf();
    expect(sink.of(start(sink)).end).toMatchObject({ code: 'no_peer_with_model', retryable: true });
  });

  it('PR5: started twice goes on once', async () => {
    const engine = serve({ slots: 1 });
    const sink = sinkOf();
    const jobId = start(sink);
    start(sink, { jobId });
    await clock.advance(2_000);
    expect(engine.requests).toHaveLength(1);
    expect(sink.replies.filter((reply) => reply.type !== 'token-delta')).toHaveLength(1);
  });

  it('PR6: of a peer that fills the queue does not shut out another peer’s', async () => {
    serve({ slots: 1 });
    const [greedy, modest] = [sinkOf(), sinkOf()];
    for (let job = 0; job < 50; job += 1) start(greedy);
    const jobId = start(modest);
    expect(modest.of(jobId).end).toBeUndefined();
    await clock.advance(600);
    expect(modest.of(jobId).end).toMatchObject({ type: 'job-end' });
    await clock.advance(10_000);
  });

  it('PR33: whose asker has less patience than the line is long is refused, at once or when it is over', async () => {
    const engine = serve({ slots: 1, tokens: 100, tokenIntervalMs: 100 });
    const sink = sinkOf();
    start(sink);
    const hasty = start(sink, { patienceMs: 100 });
    expect(sink.of(hasty).end).toMatchObject({ code: 'peer_busy' });
    const patient = start(sink, { patienceMs: 3_000 });
    await clock.advance(2_999);
    expect(sink.of(patient).end).toBeUndefined();
    await clock.advance(1);
    expect(sink.of(patient).end).toMatchObject({ code: 'peer_busy', waitMs: expect.any(Number) });
    await clock.advance(10_000);
    expect(engine.requests).toHaveLength(1);
  });
});

describe('cancelling', () => {
  it('PR7: frees the slot for the next job, and the cancelled one is heard of no more', async () => {
    const engine = serve({ slots: 1 });
    const sink = sinkOf();
    const [first, second] = [start(sink), start(sink)];
    await clock.advance(100);
    const heard = sink.replies.length;
    expect(heard).toBeGreaterThan(0);
    provider.handleCancel(sink, first);
    await clock.advance(1);
    expect(engine.requests).toHaveLength(2);
    await clock.advance(2_000);
    expect(sink.replies.slice(heard).every((reply) => reply.jobId === second)).toBe(true);
    expect(sink.of(second).end).toMatchObject({ type: 'job-end' });
  });

  it('PR8: is up to who started the job', async () => {
    serve();
    const [sink, meddler] = [sinkOf(), sinkOf()];
    const jobId = start(sink);
    provider.handleCancel(meddler, jobId);
    await clock.advance(2_000);
    expect(sink.of(jobId).end).toMatchObject({ type: 'job-end' });
    expect(meddler.replies).toEqual([]);
  });

  it('PR9: a waiting job never reaches the engine', async () => {
    const engine = serve({ slots: 1 });
    const sink = sinkOf();
    start(sink);
    provider.handleCancel(sink, start(sink));
    await clock.advance(2_000);
    expect(engine.requests).toHaveLength(1);
  });

  it('PR10: what is over or unknown changes nothing', async () => {
    serve();
    const sink = sinkOf();
    const jobId = start(sink);
    await clock.advance(2_000);
    provider.handleCancel(sink, jobId);
    provider.handleCancel(sink, JobId.parse('f'.repeat(32)));
    expect(provider.totals()).toMatchObject({ activeJobs: 0, finishedJobs: 1 });
  });

  it('PR11: a sink that closes takes its jobs along, running and waiting, and no other’s', async () => {
    const engine = serve({ slots: 2 });
    const [gone, other] = [sinkOf(), sinkOf()];
    start(gone);
    const kept = start(other);
    start(gone);
    await clock.advance(100);
    gone.isOpen = false;
    const heard = gone.replies.length;
    provider.handleSinkClosed(gone);
    await clock.advance(1);
    expect(provider.services()).toMatchObject([{ inFlight: 1, queued: 0 }]);
    await clock.advance(2_000);
    expect(other.of(kept).end).toMatchObject({ type: 'job-end' });
    expect(gone.replies).toHaveLength(heard);
    expect(engine.requests).toHaveLength(2);
  });

  it('PR12: frees the slot while the sink is not reading, too', async () => {
    const engine = serve({ slots: 1 });
    const sink = sinkOf();
    sink.blocked = true;
    const jobId = start(sink);
    await clock.advance(100);
    provider.handleCancel(sink, jobId);
    await clock.advance(250);
    expect([engine.running(), provider.totals().activeJobs]).toEqual([0, 0]);
  });

  it('PR13: leaves an engine that does not listen at its next token', async () => {
    let left = false;
    serveAs(async function* () {
      try {
        for (let tokens = 0; tokens < 100; tokens += 1) {
          yield token;
          await pause(10);
        }
      } finally {
        left = true;
      }
    });
    const sink = sinkOf();
    const jobId = start(sink);
    await clock.advance(55);
    const heard = sink.replies.length;
    provider.handleCancel(sink, jobId);
    await clock.advance(20);
    expect(left).toBe(true);
    expect(sink.replies).toHaveLength(heard);
    expect(provider.totals().activeJobs).toBe(0);
    await clock.advance(2_000);
  });
});

describe('an engine', () => {
  it.each([
    ['throws what is no MeshError', 'engine_failed', () => new TypeError('null is not a tensor')],
    ['throws nothing at all', 'engine_failed', () => undefined],
    ['runs out of memory', 'out_of_memory', () => new MeshError('out_of_memory', 'The GPU has no memory left.')],
    ['was closed under its job', 'engine_failed', () => MeshError.cancelled()],
  ])('PR19: that %s ends the job with %s, and the next job gets its slot', async (_name, code, error) => {
    let asked = 0;
    // biome-ignore lint/correctness/useYield: it fails before its first token
    serveAs(async function* () {
      asked += 1;
      await pause(10);
      throw error();
    });
    const sink = sinkOf();
    const [first, second] = [start(sink), start(sink)];
    await clock.advance(100);
    expect(asked).toBe(2);
    for (const jobId of [first, second]) expect(sink.of(jobId).end).toMatchObject({ type: 'job-error', code });
    expect(measured).toEqual([]);
  });

  it('PR20: that stops without an end has failed', async () => {
    serveAs(async function* () {
      yield token;
    });
    const sink = sinkOf();
    const jobId = start(sink);
    await clock.advance(10);
    expect(sink.of(jobId)).toMatchObject({ text: 'x', end: { type: 'job-error', code: 'engine_failed' } });
    expect(provider.totals()).toEqual({ activeJobs: 0, finishedJobs: 0, tokens: 1 });
  });

  it('TH4: that thinks is heard as the model wrote it by who knows no marks, and is not to think before JSON for them', async () => {
    const engine = serve({ thoughts: 4, features: ['json'], tokenIntervalMs: 10 });
    const sink = sinkOf();
    const parameters = {
      messages: [{ role: 'user' as const, content: 'Hi' }],
      maxTokens: 100,
      temperature: 0,
      topP: 1,
      stop: [],
    };
    const json = { ...parameters, responseFormat: { type: 'json_object' as const } };
    const written = start(sink);
    await clock.advance(2_000);
    const marked = start(sink, { marksThoughts: true });
    await clock.advance(2_000);
    start(sink, { parameters: json });
    await clock.advance(2_000);
    start(sink, { parameters: json, marksThoughts: true });
    await clock.advance(2_000);
    expect(sink.of(written).text).toMatch(/^<think>\n .*\n<\/think>\n\n /);
    expect(sink.of(marked).text).not.toContain('think>');
    const marks = sink.replies.flatMap((reply) => (reply.type === 'token-delta' && reply.thought ? [reply.jobId] : []));
    expect(new Set(marks)).toEqual(new Set([marked]));
    expect(engine.requests.map(({ thinking }) => thinking)).toEqual([undefined, undefined, false, undefined]);
  });

  it('TH5: whose thoughts are no thoughts has failed at once, by the name of the field', async () => {
    for (const wrong of [{ thought: 'yes' }, { written: 7 }]) {
      const engine = serveAs(async function* () {
        yield { ...token, ...wrong } as unknown as EngineEvent;
      });
      const sink = sinkOf();
      const jobId = start(sink);
      await clock.advance(10);
      const [field = ''] = Object.keys(wrong);
      expect(sink.of(jobId).end).toMatchObject({
        code: 'engine_failed',
        message: expect.stringContaining(`'${field}'`),
      });
      await provider.removeEngine(engine, 0);
    }
  });

  it('PR36: that forgets a field of its end has failed at once, by the name of the field', async () => {
    serveAs(async function* () {
      yield token;
      yield { type: 'end', reason: 'stop', usage: { promptTokens: 1, completionTokens: 1 } } as EngineEvent;
    });
    const sink = sinkOf();
    const jobId = start(sink);
    await clock.advance(10);
    expect(sink.of(jobId).end).toMatchObject({
      code: 'engine_failed',
      message: expect.stringContaining('usage.cachedTokens'),
    });
  });

  it('PR21: that dies midway ends its job after the tokens that came, and refuses the next', async () => {
    serve({ scenario: 'dies-midway', slots: 1 });
    const sink = sinkOf();
    const [first, second] = [start(sink), start(sink)];
    await clock.advance(2_000);
    expect(sink.of(first).text).not.toBe('');
    for (const jobId of [first, second]) {
      expect(sink.of(jobId).end).toMatchObject({ code: 'engine_failed', retryable: true });
    }
  });

  it('PR22: is asked for no more while the sink is not ready', async () => {
    let made = 0;
    serveAs(async function* () {
      for (; made < 1_000; made += 1) yield token;
      yield { type: 'end', reason: 'stop', usage: { promptTokens: 1, completionTokens: made, cachedTokens: 0 } };
    });
    let release = () => {};
    const sink = sinkOf();
    sink.ready = () =>
      made < 10 || !sink.isOpen
        ? undefined
        : new Promise((resolve) => {
            release = resolve;
          });
    start(sink);
    await clock.advance(hourMs);
    expect(made).toBe(10);
    release();
    await clock.advance(1);
    expect(made).toBe(11);
    sink.isOpen = false;
    provider.handleSinkClosed(sink);
    release();
    await clock.advance(10);
    expect(provider.totals().activeJobs).toBe(0);
  });
});
