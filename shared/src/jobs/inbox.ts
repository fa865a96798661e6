/** What came of an answer and was not read yet. It says when that is too much; whoever fills it stops then. */
import { MAX_ALL_UNREAD_CHARS, MAX_UNREAD_CHARS, READ_AT_ONCE_CHARS } from '../limits.ts';
import type { TokensEvent } from '../ports/engine.ts';

/** What an event takes beside its text, and a probability beside its own. */
const EVENT_CHARS = 256;
const LIKELIHOOD_CHARS = 64;

/** What the answers of one asker hold together, while none of them may hold too much for itself. */
export class UnreadTotal {
  chars = 0;
}

export class Inbox<Event extends TokensEvent | { readonly type: 'end' }> {
  readonly #events: Event[] = [];
  readonly #total: UnreadTotal;
  #chars = 0;

  constructor(total: UnreadTotal = new UnreadTotal()) {
    this.#total = total;
  }

  /** Together they are too much: then whoever is read as it comes goes on, and this one does not. */
  get isFull(): boolean {
    if (this.#chars > MAX_UNREAD_CHARS) return true;
    return this.#total.chars > MAX_ALL_UNREAD_CHARS && this.#chars > READ_AT_ONCE_CHARS;
  }

  push(event: Event): void {
    this.#events.push(event);
    this.#count(charsOf(event));
  }

  shift(): Event | undefined {
    const event = this.#events.shift();
    if (event !== undefined) this.#count(-charsOf(event));
    return event;
  }

  /** Nobody reads it any more. */
  clear(): void {
    this.#events.length = 0;
    this.#count(-this.#chars);
  }

  #count(chars: number): void {
    this.#chars += chars;
    this.#total.chars += chars;
  }
}

/** About as many as the event takes in a message, and no fewer than it takes in memory. */
export function charsOf(event: TokensEvent | { readonly type: 'end' }): number {
  if (event.type === 'end') return 0;
  let chars = event.text.length + EVENT_CHARS;
  for (const { top, ...chosen } of event.logprobs ?? []) {
    for (const { token, bytes = [] } of [chosen, ...top]) chars += token.length + 4 * bytes.length + LIKELIHOOD_CHARS;
  }
  return chars;
}
