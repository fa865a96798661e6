import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createIdentity, ModelId, systemRandom } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import Database from 'libsql';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { INSTALL_TIMEOUT_MS } from '../../../tests/setup/debian-program.ts';
import { type CountedAnswer, createLedger, type LedgerOptions } from '../../src/ledger/ledger.ts';
import { DAY_MS, HOUR_MS, type LedgerStorage } from '../../src/ledger/ledger-storage.ts';
import { openRedisStorage } from '../../src/ledger/redis-storage.ts';
import { openSqliteStorage } from '../../src/ledger/sqlite-storage.ts';
import { MAX_MILESTONES } from '../../src/limits/limits.ts';
import { startRedis } from '../setup/start-redis.ts';

const alice = createIdentity(systemRandom).peerId;
const entry = createIdentity(systemRandom).peerId;
const tiny = ModelId.parse('mesh-tiny');
const served: CountedAnswer = {
  servedBy: 'mesh',
  model: tiny,
  peerId: alice,
  completionTokens: 120,
  ttftMs: 80,
  tokensPerSecond: 40,
};
const failed: CountedAnswer = { servedBy: 'failed' };

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

describe('counting', () => {
  it('LD9: keeps per hour the answers by outcome, the tokens by model and peer, and the times', async () => {
    const { ledger, clock } = startLedger();
    const hourMs = clock.wallMs() - (clock.wallMs() % HOUR_MS);

    ledger.count(served);
    ledger.count(served);
    ledger.count({ ...served, servedBy: 'fallback' });
    ledger.count(failed);

    const rows = await ledger.read(0, ['answers', 'tokens-served', 'tokens-asked']);
    expect(rows).toEqual([
      { startMs: hourMs, kind: 'answers', model: tiny, detail: 'mesh', n: 2 },
      { startMs: hourMs, kind: 'tokens-asked', model: tiny, detail: entry, n: 360 },
      { startMs: hourMs, kind: 'tokens-served', model: tiny, detail: alice, n: 240 },
      { startMs: hourMs, kind: 'answers', model: tiny, detail: 'fallback', n: 1 },
      { startMs: hourMs, kind: 'answers', model: '', detail: 'failed', n: 1 },
    ]);
    const samples = await ledger.read(0, ['ttft', 'rate']);
    expect(samples.map(({ kind, n }) => ({ kind, n }))).toEqual([
      { kind: 'ttft', n: 3 },
      { kind: 'rate', n: 3 },
    ]);
  });

  it('LD9: the first answer of a model is its milestone, with its figures', async () => {
    const { ledger, clock } = startLedger();
    const atMs = clock.wallMs();

    ledger.count(served);
    await clock.advance(60_000);
    ledger.count({ ...served, ttftMs: 1 });

    expect(await ledger.milestones()).toEqual([
      {
        model: tiny,
        atMs,
        peerId: alice,
        peerName: expect.stringMatching(/^\w+-\w+$/),
        ttftMs: 80,
        tokensPerSecond: 40,
      },
    ]);
  });

  it('LD10: figures that are no figures are left out, the answer is not', async () => {
    const { ledger } = startLedger();

    ledger.count({ ...served, completionTokens: Number.NaN, ttftMs: Number.NaN, tokensPerSecond: null });
    ledger.count({ ...served, completionTokens: -5, ttftMs: -1, tokensPerSecond: Number.POSITIVE_INFINITY });

    const rows = await ledger.read(0, ['answers', 'tokens-served', 'tokens-asked', 'ttft', 'rate']);
    expect(rows).toMatchObject([{ kind: 'answers', n: 2 }]);
  });
});

describe('writing', () => {
  it('LD11: counting stays in memory, and what came in a second leaves as one batch', async () => {
    const { ledger, clock, writes } = startLedger();

    for (let index = 0; index < 1_000; index += 1) ledger.count(served);
    await clock.advance(999);
    expect(writes).toEqual([]);
    await clock.advance(1);

    expect(writes).toHaveLength(1);
    expect(ledger.waiting()).toBe(0);
    expect(await ledger.read(0, ['answers'])).toMatchObject([{ n: 1_000 }]);
    expect(clock.pendingTimers()).toBe(0);
  });

  it('LD12: a clean stop loses nothing', async () => {
    const path = join(await temporaryFolder(), 'ledger.sqlite');
    const { ledger, clock } = startLedger({ storage: openSqliteStorage(path) });
    ledger.count(served);
    await clock.advance(1_000);
    ledger.count(served);

    await Promise.all([ledger.close(), ledger.close()]);

    const storage = openSqliteStorage(path);
    expect(await storage.read(0, ['answers'])).toMatchObject([{ n: 2 }]);
    await storage.close();
    expect(clock.pendingTimers()).toBe(0);
  });

  it('LD4: once a day hours older than 90 days roll up', async () => {
    const { ledger, clock, storage } = startLedger();
    const nowMs = clock.wallMs();
    const midnightMs = nowMs - (nowMs % DAY_MS) - 100 * DAY_MS;
    const old = { kind: 'answers', model: tiny, detail: 'mesh' } as const;
    const counts = [3, 4].map((hour) => ({ ...old, startMs: midnightMs + hour * HOUR_MS, n: hour }));
    await storage.write({ id: 'old', counts, milestones: [] });

    ledger.count(failed);
    await clock.advance(1_000);

    expect(await storage.read(0, ['answers'])).toContainEqual({ ...old, startMs: midnightMs, n: 7 });
    expect(await storage.read(midnightMs + 1, ['answers'])).toHaveLength(1);
  });
});

describe('milestones', () => {
  it('LD21: those of models with most answers are told, whatever names members make up', async () => {
    const { ledger } = startLedger();
    for (let name = 0; name < 1_401; name += 1) ledger.count({ ...served, model: ModelId.parse(`made-up-${name}`) });
    for (let turn = 0; turn < 2; turn += 1) ledger.count(served);
    expect((await ledger.milestones()).map(({ model }) => model)).not.toContain(tiny);

    const { ledger: other } = startLedger();
    for (let turn = 0; turn < 2; turn += 1) other.count(served);
    for (let name = 0; name < 1_401; name += 1) other.count({ ...served, model: ModelId.parse(`made-up-${name}`) });
    const told = await other.milestones();
    expect(told).toHaveLength(MAX_MILESTONES);
    expect(told[0]?.model).toBe(tiny);
  });

  it('LD22: the milestone of a model that nobody serves for 30 days is forgotten, and noted anew when it comes back', async () => {
    const { ledger, clock, storage } = startLedger();
    ledger.count({ ...served, model: ModelId.parse('made-up') });
    ledger.count(served);
    await clock.advance(1_000);
    const days = async (count: number) => {
      for (let day = 0; day < count; day += 1) {
        await clock.advance(DAY_MS);
        ledger.count(served);
        await clock.advance(1_000);
      }
    };
    await days(29);
    expect(await ledger.milestones()).toHaveLength(2);

    await days(3);
    expect((await ledger.milestones()).map(({ model }) => model)).toEqual([tiny]);
    expect(await storage.milestones()).toHaveLength(1);
    ledger.count({ ...served, model: ModelId.parse('made-up') });
    expect(await ledger.milestones()).toHaveLength(2);
  });
});

describe('a storage that fails', () => {
  it('LD13: a full disk is told once, counting goes on, and all is written when there is room again', async () => {
    const path = join(await temporaryFolder(), 'ledger.sqlite');
    const other = new Database(path);
    cleanups.push(() => other.close());
    const { ledger, clock, logger } = startLedger({ storage: openSqliteStorage(path, { mostBytes: 65_536 }) });
    other.exec("CREATE TABLE filler AS SELECT value, hex(zeroblob(500)) FROM json_each('[1,2,3,4,5,6,7,8,9]')");
    other.exec('INSERT INTO filler SELECT a.* FROM filler a, filler b, filler c');

    // So many peers that they need a page of their own.
    for (let index = 0; index < 200; index += 1) {
      ledger.count({ ...served, peerId: createIdentity(systemRandom).peerId });
    }
    await clock.advance(60_000);
    ledger.count(served);
    expect(await ledger.read(0, ['answers'])).toMatchObject([{ n: 200 }, { n: 1 }]);
    expect(logger.warn).toHaveBeenCalledOnce();
    expect(logger.warn.mock.lastCall?.[0]).toMatchObject({ error: expect.stringContaining('full') });
    other.exec('DROP TABLE filler');
    await clock.advance(10_000);

    expect(ledger.waiting()).toBe(0);
    expect(await ledger.read(0, ['answers'])).toMatchObject([{ n: 201 }]);
    expect(logger.warn).toHaveBeenCalledOnce();
    expect(logger.info).toHaveBeenCalledOnce();
  });

  it(
    'LD13: a Redis that dies in mid-flight and comes back has every count, once',
    async () => {
      const redis = await startRedis();
      cleanups.push(() => redis.close());
      const storage = openRedisStorage(redis.url);
      await vi.waitFor(() => storage.milestones(), { timeout: 20_000 });
      const { ledger, clock, logger } = startLedger({ storage });
      ledger.count(served);
      await clock.advance(1_000);
      await ledger.read(0, []);

      await redis.kill();
      ledger.count(served);
      await clock.advance(1_000);
      await vi.waitFor(() => expect(logger.warn).toHaveBeenCalledOnce(), { timeout: 20_000 });
      ledger.count(served);
      await expect(ledger.read(0, ['answers'])).rejects.toMatchObject({ code: 'upstream_failed', retryable: true });
      await redis.restart();
      await vi.waitFor(() => storage.milestones(), { timeout: 20_000 });
      await ledger.close();

      const after = openRedisStorage(redis.url);
      const rows = await vi.waitFor(() => after.read(0, ['answers']), { timeout: 20_000 });
      await after.close();
      expect(rows).toMatchObject([{ n: 3 }]);
    },
    INSTALL_TIMEOUT_MS,
  );

  it(
    'LD13: a Redis that hangs and goes on has every count, once',
    async () => {
      const redis = await startRedis();
      cleanups.push(() => redis.close());
      const storage = openRedisStorage(redis.url, { silenceMs: 1_500 });
      await vi.waitFor(() => storage.milestones(), { timeout: 20_000 });
      const { ledger, clock, logger } = startLedger({ storage });

      redis.hang();
      ledger.count(served);
      await clock.advance(1_000);
      await vi.waitFor(() => expect(logger.warn).toHaveBeenCalledOnce(), { timeout: 20_000 });
      ledger.count(served);
      redis.resume();
      await vi.waitFor(() => storage.milestones(), { timeout: 20_000 });
      await clock.advance(10_000);

      const rows = await ledger.read(0, ['answers']);
      expect(rows.reduce((sum, { n }) => sum + n, 0)).toBe(2);
      await ledger.close();
      expect(logger.error).not.toHaveBeenCalled();
    },
    INSTALL_TIMEOUT_MS,
  );

  it('LD14: memory is bounded: past the limit known counters count on and new ones are dropped, and that is told', async () => {
    const { ledger, clock, logger, breakStorage, mendStorage } = startLedger({ mostCounters: 3 });
    breakStorage();
    ledger.count(failed);
    await clock.advance(1_000);

    // The batch on its way holds one counter; three more fit beside it.
    for (let index = 0; index < 50; index += 1) {
      ledger.count({ ...served, model: ModelId.parse(`model-${index}`), ttftMs: 0, tokensPerSecond: null });
      ledger.count({ ...served, model: ModelId.parse('model-0'), ttftMs: 0, tokensPerSecond: null });
    }
    expect(ledger.waiting()).toBe(4);
    mendStorage();
    await clock.advance(10_000);

    expect(await ledger.read(0, ['answers'])).toMatchObject([{ detail: 'failed' }, { model: 'model-0', n: 51 }]);
    expect(logger.warn).toHaveBeenLastCalledWith({ dropped: 147 }, expect.stringContaining('memory'));
  });

  it('LD15: a stop while the storage fails says how much is lost, and ends', async () => {
    const { ledger, logger, breakStorage } = startLedger();
    breakStorage();
    ledger.count(failed);

    await ledger.close();

    expect(logger.error).toHaveBeenCalledWith({ counters: 1 }, expect.stringContaining('lost'));
  });
});

function startLedger(options: Partial<LedgerOptions> = {}) {
  const clock = new ManualClock();
  const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  const writes: string[] = [];
  let broken = false;
  const real = options.storage ?? openSqliteStorage(':memory:');
  const storage: LedgerStorage = {
    ...real,
    async write(batch) {
      if (broken) throw new Error('The storage is broken.');
      await real.write(batch);
      writes.push(batch.id);
    },
  };
  const ledger = createLedger({ askedBy: entry, random: systemRandom, clock, logger, ...options, storage });
  cleanups.push(() => ledger.close());
  return {
    ledger,
    clock,
    logger,
    storage,
    writes,
    breakStorage: () => {
      broken = true;
    },
    mendStorage: () => {
      broken = false;
    },
  };
}

async function temporaryFolder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'tabmesh-ledger-'));
  cleanups.push(() => rm(path, { recursive: true }));
  return path;
}
