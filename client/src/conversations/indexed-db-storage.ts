/**
 * Conversations in IndexedDB. Messages are rows of their own, so that a streamed answer rewrites one row and the sidebar
 * reads none. Each call is one transaction.
 */
import type { DBSchema, IDBPDatabase } from 'idb';
import type { ConversationHead, Message } from './conversation.ts';
import type { ConversationStorage } from './conversation-storage.ts';

export interface ConversationSchema extends DBSchema {
  conversations: { key: string; value: ConversationHead };
  messages: {
    key: [string, number];
    value: { conversationId: string; position: number; message: Message };
  };
}

export type ConversationDatabase = IDBPDatabase<ConversationSchema>;

export function createIndexedDbStorage(database: ConversationDatabase): ConversationStorage {
  return {
    durable: true,
    heads() {
      return database.getAll('conversations');
    },
    async conversation(id) {
      const transaction = database.transaction(['conversations', 'messages']);
      const [head, rows] = await Promise.all([
        transaction.objectStore('conversations').get(id),
        transaction.objectStore('messages').getAll(messagesOf(id)),
      ]);
      return head && { ...head, messages: rows.map(({ message }) => message) };
    },
    async putConversation({ messages, ...head }) {
      const transaction = database.transaction(['conversations', 'messages'], 'readwrite');
      const rows = transaction.objectStore('messages');
      await Promise.all([
        transaction.objectStore('conversations').put(head),
        rows.delete(messagesOf(head.id)),
        ...messages.map((message, position) => rows.put({ conversationId: head.id, position, message })),
        transaction.done,
      ]);
    },
    async putHead(head) {
      const transaction = database.transaction('conversations', 'readwrite');
      if ((await transaction.store.getKey(head.id)) !== undefined) await transaction.store.put(head);
      await transaction.done;
    },
    async putMessage(head, position, message) {
      const transaction = database.transaction(['conversations', 'messages'], 'readwrite');
      const heads = transaction.objectStore('conversations');
      if ((await heads.getKey(head.id)) !== undefined) {
        await Promise.all([
          heads.put(head),
          transaction.objectStore('messages').put({ conversationId: head.id, position, message }),
        ]);
      }
      await transaction.done;
    },
    async truncate(id, position) {
      await database.delete('messages', messagesOf(id, position));
    },
    async delete(id) {
      const transaction = database.transaction(['conversations', 'messages'], 'readwrite');
      await Promise.all([
        transaction.objectStore('conversations').delete(id),
        transaction.objectStore('messages').delete(messagesOf(id)),
        transaction.done,
      ]);
    },
    async deleteAll() {
      const transaction = database.transaction(['conversations', 'messages'], 'readwrite');
      await Promise.all([
        transaction.objectStore('conversations').clear(),
        transaction.objectStore('messages').clear(),
        transaction.done,
      ]);
    },
    async search(text) {
      const wanted = text.toLowerCase();
      const found = new Set<string>();
      const transaction = database.transaction(['conversations', 'messages']);
      for await (const cursor of transaction.objectStore('conversations')) {
        if (cursor.value.title.toLowerCase().includes(wanted)) found.add(cursor.value.id);
      }
      for await (const cursor of transaction.objectStore('messages')) {
        if (cursor.value.message.content.toLowerCase().includes(wanted)) found.add(cursor.value.conversationId);
      }
      return found;
    },
    close() {
      database.close();
    },
  };
}

function messagesOf(id: string, from = 0): IDBKeyRange {
  return IDBKeyRange.bound([id, from], [id, Number.POSITIVE_INFINITY]);
}
