/**
 * What the app asks of the place where conversations are kept. Adapters: IndexedDB, and memory for browsers that refuse
 * to store and for tests.
 */
import type { Conversation, ConversationHead, Message } from './conversation.ts';

export interface ConversationStorage {
  /** Whether a reload finds the conversations again. */
  readonly durable: boolean;
  heads(): Promise<ConversationHead[]>;
  /** In order; undefined when there is no such conversation. */
  conversation(id: string): Promise<Conversation | undefined>;
  /** Creates, or replaces with all its messages. */
  putConversation(conversation: Conversation): Promise<void>;
  /** Does nothing when the conversation is not there. */
  putHead(head: ConversationHead): Promise<void>;
  /**
   * Writes one message at its position and the head beside it. Does nothing when the conversation is not there: an answer
   * that still runs in one tab must not bring back what another tab deleted.
   */
  putMessage(head: ConversationHead, position: number, message: Message): Promise<void>;
  /** Deletes the messages from `position` on. */
  truncate(id: string, position: number): Promise<void>;
  delete(id: string): Promise<void>;
  deleteAll(): Promise<void>;
  /** Ids of the conversations whose title or messages contain the text, whatever its case. */
  search(text: string): Promise<ReadonlySet<string>>;
  close(): void;
}
