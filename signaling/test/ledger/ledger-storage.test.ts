import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@tabmesh/shared';
import { createClient } from 'redis';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { INSTALL_TIMEOUT_MS } from '../../../tests/setup/debian-program.ts';
import { openLedgerStorage } from '../../src/ledger/open-storage.ts';
import { openRedisStorage } from '../../src/ledger/redis-storage.ts';
import { openSqliteStorage } from '../../src/ledger/sqlite-storage.ts';
import { startRedis, type TestRedis } from '../setup/start-redis.ts';
import { ledgerStorageContract, row } from './ledger-storage-contract.ts';

let folder: string;
let redis: TestRedis;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tabmesh-ledger-'));
  redis = await startRedis();
}, INSTALL_TIMEOUT_MS);

afterAll(async () => {
  await redis.close();
  await rm(folder, { recursive: true });
});

ledgerStorageContract('SQLite', {
  open: async () => openSqliteStorage(join(folder, 'ledger.sqlite')),
  async clean() {
    for (const ending of ['', '-wal', '-shm']) await rm(join(folder, `ledger.sqlite${ending}`), { force: true });
  },
});

ledgerStorageContract('Redis', {
  async open() {
    const storage = openRedisStorage(redis.url);
    await connected(storage);
    return storage;
  },
  async clean() {
    const client = await createClient({ url: redis.url }).connect();
    await client.flushAll();
    await client.close();
  },
});

describe('where the ledger is', () => {
  afterEach(() => rm(join(folder, 'ledger.sqlite'), { force: true }));

  it('LD7: is Redis where its address is given, else the file, else memory alone', async () => {
    const inRedis = await openLedgerStorage(
      { redisUrl: redis.url, ledgerPath: join(folder, 'ledger.sqlite') },
      silentLogger,
    );
    await connected(inRedis);
    await inRedis.write({ id: 'c', counts: [row()], milestones: [] });
    const inFile = await openLedgerStorage({ redisUrl: '', ledgerPath: join(folder, 'ledger.sqlite') }, silentLogger);
    const inMemory = await openLedgerStorage({}, silentLogger);

    expect(await inRedis.read(0, ['answers'])).toHaveLength(1);
    expect(await inFile.read(0, ['answers'])).toEqual([]);
    expect(await inMemory.read(0, ['answers'])).toEqual([]);
    for (const storage of [inRedis, inFile, inMemory]) await storage.close();
  });

  it('LD42: the file and what SQLite keeps beside it are their user’s alone, also those of an earlier version', async () => {
    const path = join(folder, 'ledger.sqlite');
    const files = [path, `${path}-wal`, `${path}-shm`];
    const modes = () => Promise.all(files.map(async (file) => (await stat(file)).mode & 0o777));
    for (const before of ['none', 'everyone’s'] as const) {
      if (before === 'everyone’s') {
        for (const file of files) await writeFile(file, '');
        for (const file of files) await chmod(file, 0o644);
      }
      const storage = await openLedgerStorage({ ledgerPath: path }, silentLogger);
      await storage.write({ id: before, counts: [row()], milestones: [] });
      expect(await modes()).toEqual([0o600, 0o600, 0o600]);
      expect(await storage.read(0, ['answers'])).toHaveLength(1);
      await storage.close();
      for (const file of files) await rm(file, { force: true });
    }
  });

  it('LD8: a ledger file that can not be opened is told of and leaves the entry running', async () => {
    const error = vi.fn();

    const storage = await openLedgerStorage(
      { ledgerPath: join(folder, 'missing/ledger.sqlite') },
      {
        ...silentLogger,
        error,
      },
    );

    expect(error).toHaveBeenCalledOnce();
    await storage.write({ id: 'a', counts: [row()], milestones: [] });
    expect(await storage.read(0, ['answers'])).toEqual([row()]);
    await storage.close();
  });

  it('LD40: a file that was closed has nothing beside it', async () => {
    const own = await mkdtemp(join(folder, 'own-'));
    const storage = openSqliteStorage(join(own, 'ledger.sqlite'));
    await storage.write({ id: 'a', counts: [row()], milestones: [] });
    expect((await readdir(own)).length).toBeGreaterThan(1);
    await storage.close();
    expect(await readdir(own)).toEqual(['ledger.sqlite']);
    const again = openSqliteStorage(join(own, 'ledger.sqlite'));
    expect(await again.read(0, ['answers'])).toHaveLength(1);
    await again.close();
  });

  it('LD41: a Redis that does not answer at the start is told of at once, with its address and without its password', async () => {
    const { port } = new URL(redis.url);
    await redis.kill();
    try {
      const told = new Promise<unknown[]>((resolve) => {
        const logger = { ...silentLogger, warn: (...told: unknown[]) => resolve(told) };
        const url = `redis://user:secret@127.0.0.1:${port}`;
        void openLedgerStorage({ redisUrl: url }, logger).then((storage) => onTestFinished(() => storage.close()));
      });
      const [fields, message] = await told;
      expect(fields).toMatchObject({ redis: `127.0.0.1:${port}`, error: expect.stringContaining('ECONNREFUSED') });
      expect(message).toContain('tries again');
      expect(JSON.stringify(fields)).not.toContain('secret');
    } finally {
      await redis.restart();
    }
  });

  it('LD7: an address that is none is refused, without repeating the password in it', async () => {
    const opening = openLedgerStorage({ redisUrl: 'http://:secret@localhost' }, silentLogger);

    await expect(opening).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.not.stringContaining('secret'),
    });
  });
});

/** The adapter connects by itself and fails at once until then. */
function connected(storage: { milestones(): Promise<unknown> }): Promise<unknown> {
  return vi.waitFor(() => storage.milestones(), { timeout: 20_000 });
}
