/** The ledger on Node's own SQLite, which machines have for which libsql has no build. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeSqlite, openDatabase } from '../../src/ledger/sqlite-database.ts';
import { openSqliteStorage } from '../../src/ledger/sqlite-storage.ts';
import { ledgerStorageContract } from './ledger-storage-contract.ts';

const [major = 0] = process.versions.node.split('.').map(Number);
const missing = (): never => {
  throw new Error("Cannot find module '@libsql/win32-arm64-msvc'");
};
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tabmesh-sqlite-'));
});

afterAll(() => rm(folder, { recursive: true }));

// Node 20 has none: there the ledger says so.
if (major >= 22) {
  ledgerStorageContract("Node's SQLite", {
    open: async () =>
      openSqliteStorage(join(folder, 'ledger.sqlite'), { open: (path) => openDatabase(path, [missing, nodeSqlite]) }),
    async clean() {
      for (const ending of ['', '-wal', '-shm']) await rm(join(folder, `ledger.sqlite${ending}`), { force: true });
    },
  });
}

describe('SQLite', () => {
  it('SU16: a machine without any is told what to take', () => {
    expect(() => openDatabase(':memory:', [missing])).toThrow(
      /^There is no SQLite for Node \d.* on \S+ \S+\. Take Node 22\.13 or newer, or set REDIS_URL\.$/,
    );
  });

  it('SU16: the first that loads is taken', () => {
    const database = { exec() {}, prepare: () => ({ run() {}, all: () => [] }), close() {} };
    expect(openDatabase(':memory:', [missing, () => () => database, missing])).toBe(database);
  });

  it('SU16: a file that is no database is not tried with another one', () => {
    const broken = () => () => {
      throw new Error('file is not a database');
    };
    expect(() => openDatabase('ledger.sqlite', [broken, missing])).toThrow('file is not a database');
  });
});
