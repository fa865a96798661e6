/**
 * A SQLite for this machine: libsql brings one for every system but Windows on ARM, where Node's own is taken (22.13 and
 * later; older versions of Node have none).
 */
import { createRequire } from 'node:module';
import { MeshError } from '@tabmesh/shared';

/** What the ledger calls, which both have alike. */
export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
  close(): unknown;
}

export interface SqliteStatement {
  run(...values: unknown[]): unknown;
  all(...values: unknown[]): unknown[];
}

type OpenDatabase = (path: string) => SqliteDatabase;

/** @throws MeshError `unsupported`, and what the database throws on a file that is none. */
export function openDatabase(
  path: string,
  ways: readonly (() => OpenDatabase)[] = [libsql, nodeSqlite],
): SqliteDatabase {
  for (const way of ways) {
    const open = loaded(way);
    if (open !== undefined) return open(path);
  }
  throw new MeshError(
    'unsupported',
    `There is no SQLite for Node ${process.versions.node} on ${process.platform} ${process.arch}. Take Node 22.13 or newer, or set REDIS_URL.`,
  );
}

function loaded(way: () => OpenDatabase): OpenDatabase | undefined {
  try {
    return way();
  } catch {
    return undefined;
  }
}

export function libsql(): OpenDatabase {
  const Database: new (path: string) => SqliteDatabase = createRequire(import.meta.url)('libsql');
  return (path) => new Database(path);
}

export function nodeSqlite(): OpenDatabase {
  const { DatabaseSync }: { DatabaseSync: new (path: string) => SqliteDatabase } = createRequire(import.meta.url)(
    'node:sqlite',
  );
  return (path) => new DatabaseSync(path);
}
