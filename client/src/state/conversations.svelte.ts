/**
 * All conversations of this browser: the list in the sidebar, the open ones, and their way into storage. The page never
 * waits for storage: it shows what it knows and writes behind, in order.
 */
import type { Clock } from '@tabmesh/shared';
import type { ConversationStorage } from '../storage/conversation-storage.ts';
import { asRead, type Conversation, type ConversationHead, type Message, titleOf } from './conversation.ts';
import { createLatestWriter, type LatestWriter } from './latest-writer.ts';
import { type MessageCell, Thread } from './thread.svelte.ts';

export type ConversationList =
  | { readonly state: 'loading' }
  | { readonly state: 'ready'; readonly heads: readonly ConversationHead[] };

/** Tells the other tabs of this browser what changed; undefined: everything. */
export interface ChangeChannel {
  post(conversationId: string | undefined): void;
  onChange(listener: (conversationId: string | undefined) => void): void;
  close(): void;
}

export interface ConversationsOptions {
  readonly storage: Promise<ConversationStorage>;
  readonly channel: ChangeChannel;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly now: () => Date;
  /** The answer of a conversation that is about to go away must not run on. */
  readonly onRemove: (conversationId: string) => void;
}

/** A streaming answer is written at most this often. */
const WRITE_INTERVAL_MS = 500;

export class Conversations {
  list = $state.raw<ConversationList>({ state: 'loading' });
  /** Why conversations are not being kept; undefined while all is well. */
  problem = $state.raw<string | undefined>();

  readonly #options: ConversationsOptions;
  readonly #threads = new Map<string, Thread>();
  readonly #writers = new Map<string, LatestWriter<Message>>();
  #lastWrite: Promise<void> = Promise.resolve();

  constructor(options: ConversationsOptions) {
    this.#options = options;
    options.channel.onChange((id) => this.#onOtherTab(id));
    options.storage.then((storage) => {
      if (!storage.durable) this.problem = 'This browser refuses to store: conversations last until the page closes.';
      return this.#readList(storage);
    });
  }

  /** The conversation of that id, loading if it was not open yet. */
  thread(id: string): Thread {
    const open = this.#threads.get(id);
    if (open !== undefined) return open;
    const thread = new Thread(id);
    this.#threads.set(id, thread);
    this.#load(thread);
    return thread;
  }

  create(firstText: string): Thread {
    const createdAt = this.#options.now().toISOString();
    const head = {
      id: this.#options.newId(),
      title: titleOf(firstText),
      createdAt,
      updatedAt: createdAt,
    };
    const thread = new Thread(head.id);
    thread.show({ ...head, messages: [] });
    this.#threads.set(thread.id, thread);
    this.#list((heads) => [head, ...heads]);
    this.#write((storage) => storage.putConversation({ ...head, messages: [] }), thread.id);
    return thread;
  }

  append(thread: Thread, message: Message): MessageCell {
    const cell = thread.append(message);
    this.#touch(thread);
    this.#save(thread, cell);
    return cell;
  }

  /** Stores what a cell shows now: soon while it streams, at once when it is settled. */
  update(thread: Thread, cell: MessageCell): void {
    const writer = this.#writers.get(cell.id) ?? this.#createWriter(thread, cell);
    if (cell.value.status.state === 'streaming') {
      writer.put(cell.value);
      return;
    }
    this.#writers.delete(cell.id);
    this.#touch(thread);
    writer.finish(cell.value);
  }

  truncate(thread: Thread, position: number): void {
    thread.truncate(position);
    this.#write((storage) => storage.truncate(thread.id, position), thread.id);
  }

  async remove(id: string): Promise<void> {
    this.#forget(id);
    this.#list((heads) => heads.filter((head) => head.id !== id));
    await this.#write((storage) => storage.delete(id), id);
  }

  async removeAll(): Promise<void> {
    for (const id of [...this.#threads.keys()]) this.#forget(id);
    this.#list(() => []);
    await this.#write((storage) => storage.deleteAll(), undefined);
  }

  /** A conversation that is here already is replaced by the file's. */
  async importAll(conversations: readonly Conversation[]): Promise<void> {
    for (const conversation of conversations) {
      this.#forget(conversation.id);
      await this.#write((storage) => storage.putConversation(conversation), conversation.id);
    }
    await this.#readList(await this.#options.storage);
  }

  async exportAll(): Promise<Conversation[]> {
    await this.#lastWrite;
    const storage = await this.#options.storage;
    const heads = await storage.heads();
    const conversations = await Promise.all(heads.map((head) => storage.conversation(head.id)));
    return conversations.filter((conversation) => conversation !== undefined);
  }

  async search(text: string): Promise<ReadonlySet<string>> {
    return (await this.#options.storage).search(text);
  }

  async close(): Promise<void> {
    for (const writer of this.#writers.values()) writer.close();
    this.#options.channel.close();
    await this.#lastWrite;
    (await this.#options.storage).close();
  }

  async #load(thread: Thread): Promise<void> {
    const conversation = await (await this.#options.storage).conversation(thread.id);
    if (conversation === undefined) thread.clear();
    else
      thread.show({
        ...conversation,
        messages: conversation.messages.map(asRead),
      });
  }

  async #readList(storage: ConversationStorage): Promise<void> {
    await this.#lastWrite;
    this.list = { state: 'ready', heads: await storage.heads() };
  }

  async #onOtherTab(id: string | undefined): Promise<void> {
    await this.#readList(await this.#options.storage);
    for (const thread of this.#threads.values()) {
      const answering = thread.cells.some((cell) => this.#writers.has(cell.id));
      if ((id === undefined || id === thread.id) && !answering) await this.#load(thread);
    }
  }

  #forget(id: string): void {
    this.#options.onRemove(id);
    const thread = this.#threads.get(id);
    for (const cell of thread?.cells ?? []) {
      this.#writers.get(cell.id)?.close();
      this.#writers.delete(cell.id);
    }
    this.#threads.delete(id);
    thread?.clear();
  }

  #createWriter(thread: Thread, cell: MessageCell): LatestWriter<Message> {
    const writer = createLatestWriter<Message>(() => this.#save(thread, cell), WRITE_INTERVAL_MS, this.#options.clock);
    this.#writers.set(cell.id, writer);
    return writer;
  }

  #save(thread: Thread, cell: MessageCell): void {
    const position = thread.cells.indexOf(cell);
    const { head } = thread;
    const message = cell.value;
    if (position < 0 || head === undefined) return;
    this.#write((storage) => storage.putMessage(head, position, message), thread.id);
  }

  /** A conversation in use goes to the top of the list. */
  #touch(thread: Thread): void {
    if (thread.head === undefined) return;
    const head = {
      ...thread.head,
      updatedAt: this.#options.now().toISOString(),
    };
    thread.head = head;
    this.#list((heads) => [head, ...heads.filter((other) => other.id !== head.id)]);
  }

  #list(change: (heads: readonly ConversationHead[]) => readonly ConversationHead[]): void {
    // Still loading: reading the list waits for writes, so it has the change in it.
    if (this.list.state === 'ready') this.list = { state: 'ready', heads: change(this.list.heads) };
  }

  #write(work: (storage: ConversationStorage) => Promise<void>, id: string | undefined): Promise<void> {
    const { storage, channel } = this.#options;
    this.#lastWrite = this.#lastWrite.then(async () => {
      try {
        await work(await storage);
        channel.post(id);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.problem = `Conversations can't be saved (${reason}). Free some storage, or export them in Settings.`;
      }
    });
    return this.#lastWrite;
  }
}
