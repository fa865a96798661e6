/**
 * The browser's own database. What lies in it is each room's own business: conversations, the keys of this browser's
 * tabs, what its engines can do.
 */
import { type IDBPDatabase, openDB } from 'idb';
import type { ConversationSchema } from '../conversations/indexed-db-storage.ts';
import type { MeshSchema } from '../mesh/mesh-database.ts';

interface TabMeshSchema extends ConversationSchema, MeshSchema {}

export type Database = IDBPDatabase<TabMeshSchema>;
/** @throws DOMException where the browser refuses to store (private windows, blocked site data). */
export function openDatabase(name = 'tabmesh'): Promise<Database> {
  return openDB<TabMeshSchema>(name, 2, {
    upgrade(database, oldVersion) {
      if (oldVersion < 1) {
        database.createObjectStore('conversations', { keyPath: 'id' });
        database.createObjectStore('messages', {
          keyPath: ['conversationId', 'position'],
        });
        database.createObjectStore('keys');
      }
      if (oldVersion < 2) database.createObjectStore('baselines');
    },
    blocking(_current, _blocked, event) {
      // A newer version of the app waits in another tab; holding on would hang it.
      if (event.target instanceof IDBDatabase) event.target.close();
    },
  });
}
