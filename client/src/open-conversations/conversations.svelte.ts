/**
 * All conversations of this browser: the list in the sidebar, the open ones, and their way into storage. The page never
 * waits for storage: it shows what it knows and writes behind, in order.
 */
import type { Clock } from '@tabmesh/shared';
import {
  asRead,
  type Conversation,
  type ConversationHead,
  type Message,
  titleOf,
} from '../conversations/conversation.ts';
import type { ConversationStorage } from '../conversations/conversation-storage.ts';
import { createLatestWriter, type LatestWriter } from '../conversations/latest-writer.ts';
import { type MessageCell, Thread } from './thread.svelte.ts';

export type ConversationList =
  | { readonly state: 'loading' }
  | { readonly state: 'ready'; readonly heads: readonly ConversationHead[] };

/** The other tabs of this browser: they show the same conversations. */
export interface OtherTabs {
  /** Tells them what changed; undefined: everything. */
  post(conversationId: string | undefined): void;
  onChange(listener: (conversationId: string | undefined) => void): void;
  askToStop(conversationId: string): void;
  onStopAsked(listener: (conversationId: string) => void): void;
  /** Tells them that this tab answers there, until the returned call or the end of this tab. */
  hold(conversationId: string): () => void;
  /** Whether some tab answers there. */
  answering(conversationId: string): Promise<boolean>;
  /** Resolves once no tab answers there; rejects when this page closes first. */
  released(conversationId: string): Promise<void>;
  close(): void;
}

export interface ConversationsOptions {
  readonly storage: Promise<ConversationStorage>;
  readonly tabs: OtherTabs;
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
  /** Of the conversations that this tab answers in. */
  readonly #answering = new Set<string>();
  #lastWrite: Promise<void> = Promise.resolve();

  constructor(options: ConversationsOptions) {
    this.#options = options;
    options.tabs.onChange((id) => this.#onOtherTab(id));
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

  /** A new conversation that begins with what was said there, up to `position` and with it. */
  branch(thread: Thread, position: number): Thread {
    const { newId } = this.#options;
    const branch = this.create(thread.head?.title ?? '');
    for (const message of thread.messages().slice(0, position + 1)) this.append(branch, { ...message, id: newId() });
    return branch;
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

  /** The answer there is this tab's to write, until the returned call: other tabs show it as it grows. */
  beginAnswer({ id }: Thread): () => void {
    this.#answering.add(id);
    const release = this.#options.tabs.hold(id);
    return () => {
      this.#answering.delete(id);
      this.#lastWrite.then(release);
    };
  }

  /** For an answer that another tab writes. */
  askToStop(id: string): void {
    this.#options.tabs.askToStop(id);
  }

  onStopAsked(listener: (id: string) => void): void {
    this.#options.tabs.onStopAsked(listener);
  }

  truncate(thread: Thread, position: number): void {
    thread.truncate(position);
    this.#write((storage) => storage.truncate(thread.id, position), thread.id);
  }

  /** It keeps its place in the list: nothing was said in it. */
  rename(thread: Thread, title: string): void {
    if (thread.head === undefined) return;
    const head = { ...thread.head, title };
    thread.head = head;
    this.#list((heads) => heads.map((other) => (other.id === head.id ? head : other)));
    this.#write((storage) => storage.putHead(head), thread.id);
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
    this.#options.tabs.close();
    await this.#lastWrite;
    (await this.#options.storage).close();
  }

  async #load(thread: Thread): Promise<void> {
    const { storage, tabs } = this.#options;
    await this.#lastWrite;
    // Asked first: an answer that ends in between is read whole.
    const elsewhere = await tabs.answering(thread.id);
    const conversation = await (await storage).conversation(thread.id);
    // What this tab is writing is newer.
    if (this.#answering.has(thread.id)) return;
    if (conversation === undefined) thread.clear();
    else if (elsewhere) thread.show(conversation);
    else thread.show({ ...conversation, messages: conversation.messages.map(asRead) });
    if (elsewhere && !thread.answeredElsewhere) this.#awaitOtherTab(thread);
  }

  /** Reads again when the other tab has written all, also when it died. */
  async #awaitOtherTab(thread: Thread): Promise<void> {
    thread.answeredElsewhere = true;
    await this.#options.tabs.released(thread.id).catch(() => {});
    thread.answeredElsewhere = false;
    await this.#load(thread);
  }

  async #readList(storage: ConversationStorage): Promise<void> {
    await this.#lastWrite;
    this.list = { state: 'ready', heads: await storage.heads() };
  }

  async #onOtherTab(id: string | undefined): Promise<void> {
    await this.#readList(await this.#options.storage);
    for (const thread of this.#threads.values()) {
      if (id === undefined || id === thread.id) await this.#load(thread);
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
    const { storage, tabs } = this.#options;
    this.#lastWrite = this.#lastWrite.then(async () => {
      try {
        await work(await storage);
        tabs.post(id);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.problem = `Conversations can't be saved (${reason}). Free some storage, or export them in Settings.`;
      }
    });
    return this.#lastWrite;
  }
}
