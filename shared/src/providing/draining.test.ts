/** Taking an engine away while it has work. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JobReply, JobSink } from '../jobs/job-sink.ts';
import type { Engine } from '../ports/engine.ts';
import { silentLogger } from '../ports/logger.ts';
import { JobId } from '../protocol/ids.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createScriptedEngine, type ScriptedEngineOptions } from '../testing/scripted-engine.ts';
import { Provider } from './provider.ts';

let clock: ManualClock;
let provider: Provider;
let lastWords: Map<JobId, JobReply>;
let jobCount = 0;

const sink: JobSink = {
  isOpen: true,
  send: (reply) => void lastWords.set(reply.jobId, reply),
  ready: () => undefined,
};

beforeEach(() => {
  clock = new ManualClock();
  lastWords = new Map();
  provider = new Provider({ clock, logger: silentLogger, onChange() {}, onMeasured() {} });
});

afterEach(() => {
  expect(clock.pendingTimers()).toBe(0);
});

function serve(options: Partial<ScriptedEngineOptions> = {}) {
  const engine = createScriptedEngine({ clock, scenario: 'steady', slots: 1, ...options });
  provider.addEngine(engine);
  return engine;
}

function start(): JobId {
  jobCount += 1;
  const jobId = JobId.parse(jobCount.toString(16).padStart(32, '0'));
  const [model] = provider.services().map(({ engine }) => engine.model.id);
  if (model === undefined) throw new Error('Nothing is served.');
  const parameters = { messages: [{ role: 'user' as const, content: 'Hi' }], maxTokens: 100, temperature: 0, topP: 1 };
  provider.handleStart(sink, { type: 'job-start', jobId, model, parameters: { ...parameters, stop: [] } });
  return jobId;
}

describe('taking an engine away', () => {
  it('PR14: lets running answers end, moves waiting ones on and takes no new ones', async () => {
    const engine = serve();
    const [running, waiting] = [start(), start()];
    await clock.advance(50);
    let removed = false;
    void provider.removeEngine(engine, 10_000).then(() => {
      removed = true;
    });
    expect(lastWords.get(waiting)).toMatchObject({ code: 'peer_draining', retryable: true });
    expect(lastWords.get(start())).toMatchObject({ code: 'peer_draining', retryable: true });
    expect(provider.services()).toMatchObject([{ state: 'draining' }]);
    expect(removed).toBe(false);
    await clock.advance(2_000);
    expect(lastWords.get(running)).toMatchObject({ type: 'job-end' });
    expect(removed).toBe(true);
    expect(provider.services()).toEqual([]);
  });

  it('PR15: cancels what is still running after the grace, and says that the peer is leaving', async () => {
    const engine = serve({ scenario: 'silent' });
    const jobId = start();
    const removed = provider.removeEngine(engine, 1_000);
    await clock.advance(999);
    expect(lastWords.size).toBe(0);
    await clock.advance(2);
    await removed;
    expect(lastWords.get(jobId)).toMatchObject({ code: 'peer_draining', retryable: true });
  });

  it('PR16: twice waits twice', async () => {
    const engine = serve();
    start();
    void provider.removeEngine(engine, 10_000);
    let second = false;
    void provider.removeEngine(engine, 10_000).then(() => {
      second = true;
    });
    await clock.advance(50);
    expect([second, engine.running()]).toEqual([false, 1]);
    await clock.advance(2_000);
    expect(second).toBe(true);
  });

  it('PR17: does not wait for ever for an engine that hangs', async () => {
    const steady = createScriptedEngine({ clock, scenario: 'steady' });
    const engine: Engine = {
      ...steady,
      async *generate() {
        await new Promise(() => {});
        yield { type: 'tokens', text: 'never', tokenCount: 1 };
      },
    };
    provider.addEngine(engine);
    const jobId = start();
    let removed = false;
    void provider.removeEngine(engine, 1_000).then(() => {
      removed = true;
    });
    await clock.advance(60_000);
    expect(removed).toBe(true);
    expect(provider.services()).toEqual([]);
    expect(lastWords.get(jobId)).toMatchObject({ code: 'peer_draining' });
  });

  it('PR18: makes room for another of its model, which was refused before', async () => {
    const engine = serve();
    expect(() => serve()).toThrow(expect.objectContaining({ code: 'invalid_request' }));
    await provider.removeEngine(engine, 0);
    serve();
    expect(provider.services()).toMatchObject([{ state: 'ready' }]);
  });
});
