import { MeshError } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { Metrics } from '../src/metrics/metrics.svelte.ts';
import {
  isEmpty,
  type MetricsQuery,
  type MetricsReport,
  modelsOf,
  readMetrics,
} from '../src/metrics/metrics-report.ts';
import { parseRoute } from '../src/navigation/route.ts';
import { report, unmeasured } from './metrics-report.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A page whose reports the test hands out one by one. */
function setUp() {
  const clock = new ManualClock();
  const asked: { query: MetricsQuery; signal: AbortSignal; give(report: MetricsReport): void; fail(): void }[] = [];
  const page = { visible: true, onVisible: () => {} };
  const metrics = new Metrics({
    read: (query, signal) =>
      new Promise((resolve, reject) => {
        asked.push({ query, signal, give: resolve, fail: () => reject(new MeshError('connection_failed', 'Gone.')) });
      }),
    clock,
    visibility: {
      visible: () => page.visible,
      onVisible(listener) {
        page.onVisible = listener;
        return () => {
          page.onVisible = () => {};
        };
      },
    },
  });
  closing.push(() => metrics.close());
  return { clock, asked, page, metrics };
}

describe('following the metrics', () => {
  it('MP3: the newest question wins, and what was asked before is forgotten', async () => {
    const { clock, asked, metrics } = setUp();
    expect(metrics.phase.state).toBe('loading');
    metrics.range = '7d';
    metrics.model = 'Qwen3-8B';
    expect(asked.map(({ query }) => query).at(-1)).toEqual({ range: '7d', model: 'Qwen3-8B' });
    expect(asked.map(({ signal }) => signal.aborted)).toEqual([true, true, false]);
    asked[2]?.give(report({ range: '7d' }));
    asked[0]?.give(report({ range: '24h' }));
    await clock.advance(0);
    expect(metrics.phase).toMatchObject({ state: 'ready', report: { range: '7d' } });
    metrics.range = '7d';
    expect(asked).toHaveLength(3);
  });

  it('MP4: it reads again each minute', async () => {
    const { clock, asked, metrics } = setUp();
    for (const minute of [1, 2, 3]) {
      asked.at(-1)?.give(report());
      await clock.advance(59_999);
      expect(asked).toHaveLength(minute);
      await clock.advance(1);
      expect(asked).toHaveLength(minute + 1);
    }
    metrics.close();
    expect([asked.at(-1)?.signal.aborted, clock.pendingTimers()]).toEqual([true, 0]);
  });

  it('MP4: a hidden page rests, and catches up when it is shown', async () => {
    const { clock, asked, page } = setUp();
    asked[0]?.give(report());
    page.visible = false;
    await clock.advance(600_000);
    expect(asked).toHaveLength(1);
    page.visible = true;
    page.onVisible();
    expect(asked).toHaveLength(2);
    page.onVisible();
    expect(asked).toHaveLength(2);
  });

  it('MP5: without any report a failure is all there is to tell, and asking again may mend it', async () => {
    const { clock, asked, metrics } = setUp();
    asked[0]?.fail();
    await clock.advance(0);
    expect(metrics.phase).toEqual({ state: 'failed', message: 'Gone.' });
    void metrics.refresh();
    asked[1]?.give(report());
    await clock.advance(0);
    expect(metrics.phase).toMatchObject({ state: 'ready', problem: undefined });
  });

  it('MP5: an older report stays, with the reason why it is old', async () => {
    const { clock, asked, metrics } = setUp();
    asked[0]?.give(report());
    await clock.advance(60_000);
    asked[1]?.fail();
    await clock.advance(0);
    expect(metrics.phase).toMatchObject({ state: 'ready', problem: 'Gone.' });
  });
});

describe('a report', () => {
  const query = { range: '30d', model: 'Qwen3-8B' } as const;
  const { signal } = new AbortController();
  const replying = (status: number, body: string) => async () => new Response(body, { status });

  it('MP2: it is asked for by range and model, and read whole', async () => {
    const urls: string[] = [];
    const fetch = async (url: RequestInfo | URL) => {
      urls.push(String(url));
      return Response.json({ ...report({ range: '30d' }), newerField: 1 });
    };
    expect(await readMetrics(fetch, query, signal)).toEqual(report({ range: '30d' }));
    expect(urls).toEqual(['/api/metrics?range=30d&model=Qwen3-8B']);
  });

  it('MP19: of all models the times and rates are those of the one that answers most', async () => {
    const models = ['mesh-tiny', 'Qwen3-8B'].map((model, place) => ({ ...unmeasured, model, answers: place + 1 }));
    const all = report({ week: { ...report().week, models } });
    const urls: string[] = [];
    const fetch = async (url: RequestInfo | URL) => {
      urls.push(String(url));
      return Response.json({ ...all, model: String(url).includes('model=') ? 'Qwen3-8B' : null });
    };
    const read = await readMetrics(fetch, { range: '24h', model: undefined }, signal);
    expect(urls).toEqual(['/api/metrics?range=24h', '/api/metrics?range=24h&model=Qwen3-8B']);
    expect([read.model, read.speed.model]).toEqual([null, 'Qwen3-8B']);
  });

  it.each([
    { what: 'an entry that refuses', status: 502, body: '{"error":{"message":"Try later."}}', says: 'Try later.' },
    { what: 'something before the entry', status: 504, body: '<html>', says: /status 504. Try again/ },
    { what: 'a page of text', status: 200, body: '<html>', says: /different versions. Reload/ },
    { what: 'another shape', status: 200, body: '{"series":[]}', says: /different versions. Reload/ },
    {
      what: 'a figure below zero',
      status: 200,
      body: JSON.stringify(
        report({ share: { day: { mesh: -1, fallback: 0, failed: 0, share: 2 }, week: report().week } }),
      ),
      says: /different versions. Reload/,
    },
  ])('MP2: $what is told by a sentence that says what to do', async ({ status, body, says }) => {
    await expect(readMetrics(replying(status, body), query, signal)).rejects.toThrow(says);
  });

  it('MP2: an entry that is out of reach is told apart from a question that was taken back', async () => {
    const fetch = () => Promise.reject(new TypeError('Failed to fetch'));
    await expect(readMetrics(fetch, query, signal)).rejects.toMatchObject({ code: 'connection_failed' });
    await expect(readMetrics(fetch, query, AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('MP11: it is empty only when nothing was ever answered', () => {
    const milestone = { model: 'Qwen3-8B', atMs: 1, peerName: 'calm-fir', ttftMs: 80, tokensPerSecond: null };
    expect(isEmpty(report())).toBe(true);
    expect(isEmpty(report({ milestones: [milestone] }))).toBe(false);
    const failed = { mesh: 0, fallback: 0, failed: 1, share: 0 };
    expect(isEmpty(report({ share: { day: failed, week: failed } }))).toBe(false);
  });

  it('MP14: the models to choose from are those of this week, those ever served and the chosen one', () => {
    const milestone = { model: 'mesh-tiny', atMs: 1, peerName: 'calm-fir', ttftMs: 8, tokensPerSecond: 900 };
    const models = [{ ...unmeasured, model: 'Qwen3-8B', answers: 2 }];
    const week = { ...report().week, models };
    expect(modelsOf(report({ week, milestones: [milestone], model: 'Phi-4' }))).toEqual([
      'Phi-4',
      'Qwen3-8B',
      'mesh-tiny',
    ]);
  });
});

it('MP1: the page has an address', () => {
  expect(parseRoute('/metrics')).toEqual({ page: 'metrics' });
});
