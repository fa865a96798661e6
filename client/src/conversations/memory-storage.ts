/** Conversations that last as long as the page. */
import type { Conversation } from './conversation.ts';
import type { ConversationStorage } from './conversation-storage.ts';

export function createMemoryStorage(): ConversationStorage {
  const conversations = new Map<string, Conversation>();
  return {
    durable: false,
    async heads() {
      return [...conversations.values()].map(({ messages: _, ...head }) => head);
    },
    async conversation(id) {
      return conversations.get(id);
    },
    async putConversation(conversation) {
      conversations.set(conversation.id, conversation);
    },
    async putHead(head) {
      const known = conversations.get(head.id);
      if (known !== undefined) conversations.set(head.id, { ...head, messages: known.messages });
    },
    async putMessage(head, position, message) {
      const known = conversations.get(head.id);
      if (known === undefined) return;
      const messages = [...known.messages];
      messages[position] = message;
      conversations.set(head.id, { ...head, messages });
    },
    async truncate(id, position) {
      const known = conversations.get(id);
      if (known !== undefined)
        conversations.set(id, {
          ...known,
          messages: known.messages.slice(0, position),
        });
    },
    async delete(id) {
      conversations.delete(id);
    },
    async deleteAll() {
      conversations.clear();
    },
    async search(text) {
      const wanted = text.toLowerCase();
      const found = [...conversations.values()].filter((conversation) =>
        [conversation.title, ...conversation.messages.map(({ content }) => content)].some((part) =>
          part.toLowerCase().includes(wanted),
        ),
      );
      return new Set(found.map(({ id }) => id));
    },
    close() {},
  };
}
