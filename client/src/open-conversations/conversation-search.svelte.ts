/** Finds conversations: by title at once, by what was said in them a moment later. */
import type { Clock } from '@tabmesh/shared';
import type { ConversationHead } from '../conversations/conversation.ts';
import { TYPING_PAUSE_MS } from '../limits.ts';
import type { Conversations } from './conversations.svelte.ts';

export class ConversationSearch {
  readonly #conversations: Conversations;
  readonly #clock: Clock;
  #query = $state.raw('');
  #saidIn = $state.raw<ReadonlySet<string>>(new Set());
  #cancelSearch = () => {};

  readonly results: readonly ConversationHead[] = $derived.by(() => {
    const { list } = this.#conversations;
    const heads = list.state === 'ready' ? list.heads : [];
    const wanted = this.#query.trim().toLowerCase();
    if (wanted === '') return heads;
    return heads.filter((head) => head.title.toLowerCase().includes(wanted) || this.#saidIn.has(head.id));
  });

  constructor(conversations: Conversations, clock: Clock) {
    this.#conversations = conversations;
    this.#clock = clock;
  }

  get query(): string {
    return this.#query;
  }

  set query(query: string) {
    this.#query = query;
    this.#saidIn = new Set();
    this.#cancelSearch();
    if (query.trim() !== '') this.#cancelSearch = this.#clock.after(TYPING_PAUSE_MS, () => this.#searchMessages(query));
  }

  close(): void {
    this.#cancelSearch();
  }

  async #searchMessages(query: string): Promise<void> {
    const found = await this.#conversations.search(query.trim());
    if (this.#query === query) this.#saidIn = found;
  }
}
