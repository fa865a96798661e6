/** Which database the ledger of an entry is in. */
import { type Logger, MeshError } from '@tabmesh/shared';
import type { LedgerStorage } from './ledger-storage.ts';

export interface LedgerPlace {
  /** `redis://…`; goes before the file. */
  readonly redisUrl?: string | undefined;
  /** Absent: nothing outlives the process. */
  readonly ledgerPath?: string | undefined;
}

/** Each adapter is loaded when it is needed: both bring a megabyte along. */
export async function openLedgerStorage({ redisUrl, ledgerPath }: LedgerPlace, logger: Logger): Promise<LedgerStorage> {
  if (redisUrl !== undefined && redisUrl !== '') {
    const { openRedisStorage } = await import('./redis-storage.ts');
    try {
      const { host } = new URL(redisUrl);
      return openRedisStorage(redisUrl, {
        onAway: ({ message }) => logger.warn({ redis: host, error: message }, REDIS_AWAY),
      });
    } catch (cause) {
      // The address may hold a password.
      const message = 'REDIS_URL is no address of a Redis. Write it as redis://host:6379, or unset it.';
      throw new MeshError('invalid_request', message, { cause });
    }
  }
  const { openSqliteStorage } = await import('./sqlite-storage.ts');
  try {
    return openSqliteStorage(ledgerPath ?? ':memory:');
  } catch (error) {
    if (ledgerPath === undefined) throw error;
    const fields = { path: ledgerPath, error: error instanceof Error ? error.message : String(error) };
    logger.error(fields, 'The ledger file can not be opened: counts are kept in memory only. Delete or mend the file.');
    return openSqliteStorage(':memory:');
  }
}

const REDIS_AWAY =
  'The Redis of REDIS_URL does not answer. The entry runs, tries again by itself and keeps its counts in memory until then.';
