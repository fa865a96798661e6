/** What this tab as a member keeps in the browser's database: the keys of its tabs, and what its engines can do. */
import type { StoredBaseline } from '@tabmesh/shared';
import type { DBSchema, IDBPDatabase } from 'idb';

export interface MeshSchema extends DBSchema {
  keys: { key: number; value: Uint8Array };
  baselines: { key: string; value: StoredBaseline };
}

/** What is used of the database, which holds more than this. */
export type MeshDatabase = Pick<IDBPDatabase<MeshSchema>, 'get' | 'put'>;
