import { createIdentity, MeshError, ModelId, systemRandom } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { CountedAnswer } from '../../src/ledger/ledger.ts';
import { DAY_MS, HOUR_MS } from '../../src/ledger/ledger-storage.ts';
import { bucketOf, LogHistogram } from '../../src/ledger/log-histogram.ts';
import type { MetricsReport } from '../../src/ledger/metrics-report.ts';
import type { ScriptStep } from '../setup/scripted-mesh.ts';
import { question } from '../setup/start-server.ts';
import { startWithLedger } from '../setup/start-with-ledger.ts';

/** A Wednesday, 10:30 UTC. */
const WEDNESDAY_MS = Date.UTC(2026, 10, 18, 10, 30);
const alice = createIdentity(systemRandom).peerId;
const bob = createIdentity(systemRandom).peerId;
const tiny = ModelId.parse('mesh-tiny');
const large = ModelId.parse('Qwen3-8B');
const served: CountedAnswer = {
  servedBy: 'mesh',
  model: tiny,
  peerId: alice,
  completionTokens: 100,
  ttftMs: 80,
  tokensPerSecond: 40,
};

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

describe('GET /api/metrics', () => {
  it('MX1: gives the mesh share of the rolling day and week with the counts behind it', async () => {
    const { ledger, clock, metrics } = startServer();
    ledger.count(served);
    await clock.advance(3 * DAY_MS);
    ledger.count(served);
    ledger.count({ ...served, servedBy: 'fallback' });
    ledger.count({ servedBy: 'failed' });

    const { share } = await metrics();

    expect(share).toEqual({
      day: { mesh: 1, fallback: 1, failed: 1, share: 1 / 3 },
      week: { mesh: 2, fallback: 1, failed: 1, share: 0.5 },
    });
  });

  it('MX1: an hour leaves the rolling day when 24 younger ones have begun', async () => {
    const { ledger, clock, metrics } = startServer();
    ledger.count(served);

    await clock.advance(23 * HOUR_MS);
    expect((await metrics()).share.day.mesh).toBe(1);
    await clock.advance(HOUR_MS);
    expect((await metrics()).share.day).toEqual({ mesh: 0, fallback: 0, failed: 0, share: null });
  });

  it('MX2: tells of this week since Monday: answers, tokens, speed, models and the peers that served most', async () => {
    const { ledger, clock, metrics } = startServer(WEDNESDAY_MS - 3 * DAY_MS);
    ledger.count(served);
    await clock.advance(3 * DAY_MS);
    for (const tokensPerSecond of [20, 40, 60]) ledger.count({ ...served, tokensPerSecond });
    ledger.count({ ...served, model: large, peerId: bob, completionTokens: 500, ttftMs: 2_000, tokensPerSecond: 10 });

    const { week } = await metrics();

    expect(week).toMatchObject({ startMs: Date.UTC(2026, 10, 16), mesh: 4, share: 1, tokens: 800 });
    expect(week.models.map(({ model, answers }) => ({ model, answers }))).toEqual([
      { model: tiny, answers: 3 },
      { model: large, answers: 1 },
    ]);
    expect(week.models[0]?.tokensPerSecondP50).toBeCloseTo(40, -0.5);
    expect(week.peers).toEqual([
      { peerId: bob, name: expect.stringMatching(/^\w+-\w+$/), tokens: 500 },
      { peerId: alice, name: expect.stringMatching(/^\w+-\w+$/), tokens: 300 },
    ]);
  });

  it('MX3: gives every hour of the range, quiet ones included, for all models or one', async () => {
    const { ledger, clock, metrics } = startServer();
    ledger.count(served);
    await clock.advance(2 * HOUR_MS);
    ledger.count({ ...served, model: large, ttftMs: 1_000 });

    const { series } = await metrics();
    const one = await metrics('?range=7d&model=Qwen3-8B');
    const month = await metrics('?range=30d');

    expect(series).toHaveLength(24);
    expect(series.at(-1)?.hour).toBe(WEDNESDAY_MS - HOUR_MS / 2 + 2 * HOUR_MS);
    expect(series.slice(-3).map(({ mesh }) => mesh)).toEqual([1, 0, 1]);
    expect(series.at(-2)).toMatchObject({ mesh: 0, ttftP50Ms: null, tokensPerSecondP95: null });
    expect(one).toMatchObject({ range: '7d', model: 'Qwen3-8B' });
    expect(one.series.map(({ mesh }) => mesh).filter((n) => n > 0)).toEqual([1]);
    expect(one.series).toHaveLength(168);
    expect(month.series).toHaveLength(720);
  });

  it('MX4: lists the first answer of each model', async () => {
    const { ledger, clock, metrics } = startServer();
    ledger.count(served);
    await clock.advance(1_000);
    ledger.count({ ...served, model: large });
    ledger.count(served);

    const { milestones } = await metrics();

    expect(milestones).toEqual([
      expect.objectContaining({ model: tiny, atMs: WEDNESDAY_MS, peerId: alice, ttftMs: 80, tokensPerSecond: 40 }),
      expect.objectContaining({ model: large, atMs: WEDNESDAY_MS + 1_000 }),
    ]);
  });

  it.each(['?range=1y', '?range=', '?model=%7C', '?range=24h&range=7d'])(
    'MX5: refuses the query %s with a sentence',
    async (query) => {
      const { app } = startServer();

      const reply = await app.inject({ url: `/api/metrics${query}` });

      expect(reply.statusCode).toBe(400);
      expect(reply.json().error).toMatchObject({ code: 'invalid_request', param: expect.any(String) });
    },
  );

  it('MX5: a ledger that can not be read is 502 with what to do', async () => {
    const { app, storage } = startServer();
    vi.spyOn(storage, 'read').mockRejectedValue(new Error('The file is gone.'));

    const reply = await app.inject({ url: '/api/metrics' });

    expect(reply.statusCode).toBe(502);
    expect(reply.json().error.message).toContain('Try again');
  });
});

describe('what the API counts', () => {
  it.each([true, false])(
    'MX6: an answer with its peer and figures when it has ended (streamed: %s)',
    async (stream) => {
      const { ask, metrics, mesh } = startServer();

      await ask({ ...question, stream });

      const { share, week, milestones } = await metrics();
      expect(share.day).toMatchObject({ mesh: 1, failed: 0 });
      expect(week).toMatchObject({ tokens: 2, peers: [{ peerId: mesh.servedBy, tokens: 2 }] });
      expect(milestones).toMatchObject([{ model: tiny, ttftMs: 80, tokensPerSecond: 40 }]);
    },
  );

  it.each<{ name: string; script: ScriptStep[] }>([
    { name: 'before its first token', script: [{ fail: MeshError.meshBusy(500) }] },
    { name: 'after it', script: [{ say: 'Hel' }, { fail: MeshError.peerLost('left') }] },
  ])('MX6: an answer that fails $name is a failed one', async ({ script }) => {
    const { ask, metrics } = startServer(WEDNESDAY_MS, script);

    await ask({ ...question, stream: true });

    expect((await metrics()).share.day).toMatchObject({ mesh: 0, failed: 1 });
  });

  it('MX6: what the asker did wrong counts for nobody', async () => {
    const { ask, metrics } = startServer();

    await ask({ messages: [] });
    await ask({ ...question, model: 'no-such-model' });

    expect((await metrics()).share.day).toMatchObject({ mesh: 0, failed: 0 });
  });
});

describe('percentiles of a histogram', () => {
  it('MX7: are right within 2 %', () => {
    const histogram = new LogHistogram();
    for (let value = 1; value <= 1_000; value += 1) histogram.add(bucketOf(value), 1);

    for (const share of [0.05, 0.5, 0.95, 1]) {
      const exact = share * 1_000;
      const [found] = histogram.percentiles([share] as const);
      expect(Math.abs((found ?? 0) - exact) / exact).toBeLessThan(0.025);
    }
    expect(new LogHistogram().percentiles([0.5, 0.95])).toEqual([null, null]);
  });
});

function startServer(wallMs = WEDNESDAY_MS, script?: readonly ScriptStep[]) {
  const server = startWithLedger(new ManualClock(wallMs), script);
  cleanups.push(server.close);
  return {
    ...server,
    async metrics(query = '') {
      const reply = await server.app.inject({ url: `/api/metrics${query}` });
      expect(reply.statusCode).toBe(200);
      return reply.json<MetricsReport>();
    },
  };
}
