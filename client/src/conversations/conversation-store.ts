/**
 * The way of conversations into storage and to the other tabs of this browser. Nobody waits for storage: writes run
 * behind whoever shows the conversations, one after the other, and reads come after them. Knows no page, so that
 * conversations can also be kept, or brought into step, without one.
 */
import type { Clock } from '@tabmesh/shared';
import { ANSWER_WRITE_INTERVAL_MS } from '../limits.ts';
import { asRead, type Conversation, type ConversationHead, type Message } from './conversation.ts';
import type { ConversationStorage } from './conversation-storage.ts';
import { createLatestWriter, type LatestWriter } from './latest-writer.ts';
import type { OtherTabs } from './other-tabs.ts';

export interface ConversationStoreOptions {
  readonly storage: Promise<ConversationStorage>;
  readonly tabs: OtherTabs;
  readonly clock: Clock;
}

/** A message and its place, as they are when they are written; undefined: its conversation is gone. */
export type LocateMessage = () =>
  | { readonly head: ConversationHead; readonly position: number; readonly message: Message }
  | undefined;

export interface ReadConversation {
  /** Undefined: there is no such conversation. */
  readonly conversation: Conversation | undefined;
  /** Another tab is writing an answer in it, so it may still stream. */
  readonly answeredElsewhere: boolean;
}

export class ConversationStore {
  readonly #options: ConversationStoreOptions;
  /** Of the messages that grow, by their id. */
  readonly #writers = new Map<string, LatestWriter<LocateMessage>>();
  /** The conversations that this tab answers in. */
  readonly #answering = new Set<string>();
  #lastWrite: Promise<void> = Promise.resolve();
  #tellProblem: (sentence: string) => void = () => {};

  constructor(options: ConversationStoreOptions) {
    this.#options = options;
  }

  /** Why conversations are not being kept. */
  onProblem(listener: (sentence: string) => void): void {
    this.#tellProblem = listener;
  }

  /** Another tab changed that conversation; undefined: any of them. */
  onOtherTab(listener: (id: string | undefined) => void): void {
    this.#options.tabs.onChange(listener);
  }

  /** Whether a reload finds the conversations again. */
  async isDurable(): Promise<boolean> {
    return (await this.#options.storage).durable;
  }

  async heads(): Promise<ConversationHead[]> {
    await this.#lastWrite;
    return (await this.#options.storage).heads();
  }

  /** Undefined: this tab is writing an answer in it, so what is shown is newer than what is stored. */
  async read(id: string): Promise<ReadConversation | undefined> {
    const { storage, tabs } = this.#options;
    await this.#lastWrite;
    // Asked first: an answer that ends in between is read whole.
    const answeredElsewhere = await tabs.answering(id);
    const conversation = await (await storage).conversation(id);
    if (this.#answering.has(id)) return undefined;
    if (conversation === undefined || answeredElsewhere) return { conversation, answeredElsewhere };
    return { conversation: { ...conversation, messages: conversation.messages.map(asRead) }, answeredElsewhere };
  }

  async all(): Promise<Conversation[]> {
    const heads = await this.heads();
    const storage = await this.#options.storage;
    const conversations = await Promise.all(heads.map((head) => storage.conversation(head.id)));
    return conversations.filter((conversation) => conversation !== undefined);
  }

  async search(text: string): Promise<ReadonlySet<string>> {
    return (await this.#options.storage).search(text);
  }

  /** Creates, or replaces with all its messages. */
  put(conversation: Conversation): Promise<void> {
    return this.#write((storage) => storage.putConversation(conversation), conversation.id);
  }

  putHead(head: ConversationHead): Promise<void> {
    return this.#write((storage) => storage.putHead(head), head.id);
  }

  putMessage(locate: LocateMessage): void {
    const located = locate();
    if (located === undefined) return;
    const { head, position, message } = located;
    this.#write((storage) => storage.putMessage(head, position, message), head.id);
  }

  /** A message that streams: written soon, and no more often than the interval lets. */
  putGrowing(messageId: string, locate: LocateMessage): void {
    this.#writerOf(messageId).put(locate);
  }

  /** A message that grew and is whole now: written at once. */
  putWhole(messageId: string, locate: LocateMessage): void {
    const writer = this.#writerOf(messageId);
    this.#writers.delete(messageId);
    writer.finish(locate);
  }

  /** Drops what waits to be written of messages that go. */
  forget(messageIds: readonly string[]): void {
    for (const id of messageIds) {
      this.#writers.get(id)?.close();
      this.#writers.delete(id);
    }
  }

  truncate(id: string, position: number): Promise<void> {
    return this.#write((storage) => storage.truncate(id, position), id);
  }

  delete(id: string): Promise<void> {
    return this.#write((storage) => storage.delete(id), id);
  }

  deleteAll(): Promise<void> {
    return this.#write((storage) => storage.deleteAll(), undefined);
  }

  /** The answer there is this tab's to write, until the returned call: other tabs show it as it grows. */
  beginAnswer(id: string): () => void {
    this.#answering.add(id);
    const release = this.#options.tabs.hold(id);
    return () => {
      this.#answering.delete(id);
      this.#lastWrite.then(release);
    };
  }

  /** Resolves once no other tab answers there, also when that tab died or this one closes. */
  answeredElsewhereNoMore(id: string): Promise<void> {
    return this.#options.tabs.released(id).catch(() => {});
  }

  /** For an answer that another tab writes. */
  askToStop(id: string): void {
    this.#options.tabs.askToStop(id);
  }

  onStopAsked(listener: (id: string) => void): void {
    this.#options.tabs.onStopAsked(listener);
  }

  async close(): Promise<void> {
    for (const writer of this.#writers.values()) writer.close();
    this.#options.tabs.close();
    await this.#lastWrite;
    (await this.#options.storage).close();
  }

  #writerOf(messageId: string): LatestWriter<LocateMessage> {
    const known = this.#writers.get(messageId);
    if (known !== undefined) return known;
    const writer = createLatestWriter<LocateMessage>(
      (locate) => this.putMessage(locate),
      ANSWER_WRITE_INTERVAL_MS,
      this.#options.clock,
    );
    this.#writers.set(messageId, writer);
    return writer;
  }

  #write(work: (storage: ConversationStorage) => Promise<void>, id: string | undefined): Promise<void> {
    const { storage, tabs } = this.#options;
    this.#lastWrite = this.#lastWrite.then(async () => {
      try {
        await work(await storage);
        tabs.post(id);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.#tellProblem(`Conversations can't be saved (${reason}). Free some storage, or export them in Settings.`);
      }
    });
    return this.#lastWrite;
  }
}
