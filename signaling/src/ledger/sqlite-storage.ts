/** The ledger in one file of this machine, by SQLite. */
import { chmodSync, closeSync, existsSync, openSync } from 'node:fs';
import { MAX_LEDGER_BYTES, SQLITE_BUSY_MS } from '../limits/limits.ts';
import { type CountKind, type CountRow, DAY_MS, type LedgerStorage, type Milestone } from './ledger-storage.ts';
import { openDatabase, type SqliteDatabase } from './sqlite-database.ts';

/** Readers of a range of hours want neither peers nor buckets: `kind` comes first. */
const SCHEMA = `
CREATE TABLE IF NOT EXISTS counts (
  kind TEXT NOT NULL, startMs INTEGER NOT NULL, model TEXT NOT NULL, detail TEXT NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (kind, startMs, model, detail)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS milestones (
  model TEXT PRIMARY KEY, atMs INTEGER NOT NULL, peerId TEXT NOT NULL, peerName TEXT NOT NULL,
  ttftMs REAL NOT NULL, tokensPerSecond REAL
) WITHOUT ROWID;
`;
const ADD = 'INSERT INTO counts VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n';
const ADD_MILESTONE = 'INSERT INTO milestones VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING';
/** Many counts a row: handing a row to JavaScript costs more than reading it from the file. */
const READ = `SELECT kind, startMs, model, json_group_object(detail, n) AS counts FROM counts
  WHERE kind = ? AND startMs >= ? GROUP BY kind, startMs, model`;
const OLD_HOURS = `FROM counts WHERE startMs < ? AND startMs % ${DAY_MS} <> 0`;
const ADD_UP = `INSERT INTO counts SELECT kind, startMs - startMs % ${DAY_MS} AS dayMs, model, detail, SUM(n) ${OLD_HOURS}
  GROUP BY kind, dayMs, model, detail ON CONFLICT DO UPDATE SET n = n + excluded.n`;

const PAGE_BYTES = 4_096;

/** `:memory:` keeps nothing. The file is made, for its user alone; its folder must be there. */
export function openSqliteStorage(
  path: string,
  { mostBytes = MAX_LEDGER_BYTES, open = openDatabase } = {},
): LedgerStorage {
  if (path !== ':memory:') keepToOneself(path);
  const database = open(path);
  // A second process on the same file waits for its turn; a batch is lost only when the machine itself goes down.
  database.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA max_page_count = ${Math.ceil(mostBytes / PAGE_BYTES)};`);
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = ${SQLITE_BUSY_MS};`);
  database.exec(SCHEMA);
  const add = database.prepare(ADD);
  const addMilestone = database.prepare(ADD_MILESTONE);
  const read = database.prepare(READ);
  const milestones = database.prepare('SELECT * FROM milestones ORDER BY atMs');
  const forgetMilestone = database.prepare('DELETE FROM milestones WHERE model = ?');
  const addUp = database.prepare(ADD_UP);
  const forgetHours = database.prepare(`DELETE ${OLD_HOURS}`);
  /** A transaction has no doubtful end, so remembering the last batch is enough. */
  let lastId: string | undefined;
  let isClosed = false;

  return {
    async write(batch) {
      if (batch.id === lastId) return;
      inTransaction(database, () => {
        for (const { kind, startMs, model, detail, n } of batch.counts) add.run(kind, startMs, model, detail, n);
        for (const { model, atMs, peerId, peerName, ttftMs, tokensPerSecond } of batch.milestones) {
          addMilestone.run(model, atMs, peerId, peerName, ttftMs, tokensPerSecond);
        }
      });
      lastId = batch.id;
    },
    async read(fromMs, kinds) {
      return kinds.flatMap((kind) => read.all(kind, fromMs).flatMap((group) => countsOf(group as CountGroup)));
    },
    async milestones() {
      return milestones.all() as Milestone[];
    },
    async forgetMilestones(models) {
      inTransaction(database, () => {
        for (const model of models) forgetMilestone.run(model);
      });
    },
    async rollUp(beforeAtMs) {
      inTransaction(database, () => {
        addUp.run(beforeAtMs);
        forgetHours.run(beforeAtMs);
      });
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      // The package lets go of the file only with its last statement. Without a log of its own it leaves nothing beside it;
      // a second process on the file keeps the log, and takes it along when it closes.
      try {
        database.exec('PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;');
      } catch {}
      database.close();
    },
  };
}

/** Who answered what and when is nobody else's to read. SQLite gives the files beside it the mode of the file. */
function keepToOneself(path: string): void {
  closeSync(openSync(path, 'a', 0o600));
  for (const file of [path, `${path}-wal`, `${path}-shm`]) {
    try {
      if (existsSync(file)) chmodSync(file, 0o600);
    } catch {
      // One of another user, who shares it on purpose.
    }
  }
}

interface CountGroup {
  readonly kind: CountKind;
  readonly startMs: number;
  readonly model: string;
  /** n by detail. */
  readonly counts: string;
}

function countsOf({ kind, startMs, model, counts }: CountGroup): CountRow[] {
  return Object.entries<number>(JSON.parse(counts)).map(([detail, n]) => ({ startMs, kind, model, detail, n }));
}

/**
 * Not libsql's own `transaction`: SQLite ends the transaction by itself when the disk is full, and libsql then throws that
 * there is none to roll back instead of what happened.
 */
function inTransaction(database: SqliteDatabase, work: () => void): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    work();
    database.exec('COMMIT');
  } catch (error) {
    rollBack(database);
    throw error;
  }
}

/** What ended by itself needs no end. */
function rollBack(database: SqliteDatabase): void {
  try {
    database.exec('ROLLBACK');
  } catch {
    // There is no transaction any more.
  }
}
