/**
 * All conversations of this browser as the page shows them: the list in the sidebar, and the open ones. It shows what it
 * knows at once; the store writes behind it.
 */
import { type Conversation, type ConversationHead, type Message, titleOf } from '../conversations/conversation.ts';
import type { ConversationStore, LocateMessage } from '../conversations/conversation-store.ts';
import { type MessageCell, Thread } from './thread.svelte.ts';

export type ConversationList =
  | { readonly state: 'loading' }
  | { readonly state: 'ready'; readonly heads: readonly ConversationHead[] };

export interface ConversationsOptions {
  readonly store: ConversationStore;
  readonly newId: () => string;
  readonly now: () => Date;
  /** The answer of a conversation that is about to go away must not run on. */
  readonly onRemove: (conversationId: string) => void;
}

export class Conversations {
  list = $state.raw<ConversationList>({ state: 'loading' });
  /** Why conversations are not being kept; undefined while all is well. */
  problem = $state.raw<string | undefined>();

  readonly #options: ConversationsOptions;
  readonly #store: ConversationStore;
  readonly #threads = new Map<string, Thread>();

  constructor(options: ConversationsOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#store.onOtherTab((id) => this.#onOtherTab(id));
    this.#store.onProblem((sentence) => {
      this.problem = sentence;
    });
    this.#store.isDurable().then((durable) => {
      if (!durable) this.problem = 'This browser refuses to store: conversations last until the page closes.';
      return this.#readList();
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
    this.#store.put({ ...head, messages: [] });
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
    this.#store.putMessage(locateIn(thread, cell));
    return cell;
  }

  /** Stores what a cell shows now: soon while it streams, at once when it is settled. */
  update(thread: Thread, cell: MessageCell): void {
    if (cell.value.status.state === 'streaming') {
      this.#store.putGrowing(cell.id, locateIn(thread, cell));
      return;
    }
    this.#touch(thread);
    this.#store.putWhole(cell.id, locateIn(thread, cell));
  }

  /** The answer there is this tab's to write, until the returned call: other tabs show it as it grows. */
  beginAnswer({ id }: Thread): () => void {
    return this.#store.beginAnswer(id);
  }

  /** For an answer that another tab writes. */
  askToStop(id: string): void {
    this.#store.askToStop(id);
  }

  onStopAsked(listener: (id: string) => void): void {
    this.#store.onStopAsked(listener);
  }

  truncate(thread: Thread, position: number): void {
    thread.truncate(position);
    this.#store.truncate(thread.id, position);
  }

  /** It keeps its place in the list: nothing was said in it. */
  rename(thread: Thread, title: string): void {
    if (thread.head === undefined) return;
    const head = { ...thread.head, title };
    thread.head = head;
    this.#list((heads) => heads.map((other) => (other.id === head.id ? head : other)));
    this.#store.putHead(head);
  }

  async remove(id: string): Promise<void> {
    this.#forget(id);
    this.#list((heads) => heads.filter((head) => head.id !== id));
    await this.#store.delete(id);
  }

  async removeAll(): Promise<void> {
    for (const id of [...this.#threads.keys()]) this.#forget(id);
    this.#list(() => []);
    await this.#store.deleteAll();
  }

  /** A conversation that is here already is replaced by the file's. */
  async importAll(conversations: readonly Conversation[]): Promise<void> {
    for (const conversation of conversations) {
      this.#forget(conversation.id);
      await this.#store.put(conversation);
    }
    await this.#readList();
  }

  exportAll(): Promise<Conversation[]> {
    return this.#store.all();
  }

  search(text: string): Promise<ReadonlySet<string>> {
    return this.#store.search(text);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #load(thread: Thread): Promise<void> {
    const read = await this.#store.read(thread.id);
    if (read === undefined) return;
    if (read.conversation === undefined) thread.clear();
    else thread.show(read.conversation);
    if (read.answeredElsewhere && !thread.answeredElsewhere) this.#awaitOtherTab(thread);
  }

  /** Reads again when the other tab has written all, also when it died. */
  async #awaitOtherTab(thread: Thread): Promise<void> {
    thread.answeredElsewhere = true;
    await this.#store.answeredElsewhereNoMore(thread.id);
    thread.answeredElsewhere = false;
    await this.#load(thread);
  }

  async #readList(): Promise<void> {
    this.list = { state: 'ready', heads: await this.#store.heads() };
  }

  async #onOtherTab(id: string | undefined): Promise<void> {
    await this.#readList();
    for (const thread of this.#threads.values()) {
      if (id === undefined || id === thread.id) await this.#load(thread);
    }
  }

  #forget(id: string): void {
    this.#options.onRemove(id);
    const thread = this.#threads.get(id);
    this.#store.forget(thread?.cells.map((cell) => cell.id) ?? []);
    this.#threads.delete(id);
    thread?.clear();
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
}

function locateIn(thread: Thread, cell: MessageCell): LocateMessage {
  return () => {
    const position = thread.cells.indexOf(cell);
    const { head } = thread;
    return position < 0 || head === undefined ? undefined : { head, position, message: cell.value };
  };
}
