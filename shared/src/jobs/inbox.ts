/** What came of an answer and was not read yet. It says when that is too much; whoever fills it stops then. */
import { MAX_UNREAD_CHARS } from '../limits.ts';
import type { TokensEvent } from '../ports/engine.ts';

/** What an event takes beside its text, and a probability beside its own. */
const EVENT_CHARS = 256;
const LIKELIHOOD_CHARS = 64;

/** Beside tokens there are only words without a size. */
type Small = { readonly type: 'end' | 'peer-doubted' | 'peer-there' };

export class Inbox<Event extends TokensEvent | Small> {
  readonly #events: Event[] = [];
  #chars = 0;

  get isFull(): boolean {
    return this.#chars > MAX_UNREAD_CHARS;
  }

  push(event: Event): void {
    this.#events.push(event);
    this.#chars += charsOf(event);
  }

  shift(): Event | undefined {
    const event = this.#events.shift();
    if (event !== undefined) this.#chars -= charsOf(event);
    return event;
  }
}

/** About as many as the event takes in a message, and no fewer than it takes in memory. */
export function charsOf(event: TokensEvent | Small): number {
  if (event.type !== 'tokens') return 0;
  let chars = event.text.length + EVENT_CHARS;
  for (const { top, ...chosen } of event.logprobs ?? []) {
    for (const { token, bytes = [] } of [chosen, ...top]) chars += token.length + 4 * bytes.length + LIKELIHOOD_CHARS;
  }
  return chars;
}
