/**
 * The browser's own database: conversations, the keys of this browser's tabs, and what its engines can do. Messages are
 * rows of their own, so that a streamed answer rewrites one row and the sidebar reads none.
 */

import type { StoredBaseline } from '@tabmesh/shared';
import { type DBSchema, type IDBPDatabase, openDB } from 'idb';
import type { ConversationHead, Message } from '../conversations/conversation.ts';

interface TabMeshSchema extends DBSchema {
  conversations: { key: string; value: ConversationHead };
  messages: {
    key: [string, number];
    value: { conversationId: string; position: number; message: Message };
  };
  keys: { key: number; value: Uint8Array };
  baselines: { key: string; value: StoredBaseline };
}

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
