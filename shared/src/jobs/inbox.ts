/** What came of an answer and was not read yet. It says when that is too much; whoever fills it stops then. */
import { MAX_ALL_UNREAD_CHARS, MAX_UNREAD_CHARS, READ_AT_ONCE_CHARS } from '../limits.ts';
import type { TokensEvent } from '../ports/engine.ts';
import type { TokenLogprob } from '../protocol/messages.ts';

/** What an event takes beside its text, and a probability beside its own. */
const EVENT_CHARS = 256;
const LIKELIHOOD_CHARS = 64;

/** What the answers of one asker hold together, while none of them may hold too much for itself. */
export class UnreadTotal {
  chars = 0;
}

interface Held {
  readonly tokenCount: number;
  readonly written: string;
  readonly logprobs: readonly TokenLogprob[];
  readonly chars: number;
}

const NOTHING_HELD: Held = { tokenCount: 0, written: '', logprobs: [], chars: 0 };

/** Beside tokens there are only words without a size. */
type Small = { readonly type: 'end' | 'peer-doubted' | 'peer-there' };

export class Inbox<Event extends TokensEvent | Small> {
  readonly #events: Event[] = [];
  readonly #total: UnreadTotal;
  #chars = 0;
  #held: Held = NOTHING_HELD;

  constructor(total: UnreadTotal = new UnreadTotal()) {
    this.#total = total;
  }

  /** Together they are too much: then whoever is read as it comes goes on, and this one does not. */
  get isFull(): boolean {
    if (this.#chars > MAX_UNREAD_CHARS) return true;
    return this.#total.chars > MAX_ALL_UNREAD_CHARS && this.#chars > READ_AT_ONCE_CHARS;
  }

  /** Texts that nobody has read are one by the time that somebody does. */
  push(event: Event): void {
    const last = this.#events.at(-1);
    if (isPlain(last) && isPlain(event) && last.thought === event.thought) {
      const { text, tokenCount } = event;
      this.#events[this.#events.length - 1] = {
        ...last,
        text: last.text + text,
        tokenCount: last.tokenCount + tokenCount,
      };
      this.#count(text.length);
      return;
    }
    this.#events.push(event);
    this.#count(charsOf(event));
  }

  shift(): Event | undefined {
    const event = this.#events.shift();
    if (event !== undefined) this.#count(-charsOf(event));
    return event;
  }

  /** Tokens without text, which are to leave with the next that has some. */
  hold({ tokenCount, written = '', logprobs = [] }: TokensEvent): void {
    const held = this.#held;
    const chars = charsOf({ type: 'tokens', text: '', tokenCount, written, logprobs });
    this.#held = {
      tokenCount: held.tokenCount + tokenCount,
      written: held.written + written,
      logprobs: logprobs.length === 0 ? held.logprobs : [...held.logprobs, ...logprobs],
      chars: held.chars + chars,
    };
    this.#count(chars);
  }

  takeHeld(): Pick<TokensEvent, 'tokenCount' | 'logprobs'> & { readonly written: string } {
    const { tokenCount, written, logprobs, chars } = this.#held;
    this.#held = NOTHING_HELD;
    this.#count(-chars);
    return { tokenCount, written, ...(logprobs.length === 0 ? {} : { logprobs }) };
  }

  /** Nobody reads it any more. */
  clear(): void {
    this.#held = NOTHING_HELD;
    this.#events.length = 0;
    this.#count(-this.#chars);
  }

  #count(chars: number): void {
    this.#chars += chars;
    this.#total.chars += chars;
  }
}

/** Its tokens are told by nothing but its text. */
function isPlain(event: TokensEvent | Small | undefined): event is TokensEvent {
  return event?.type === 'tokens' && event.logprobs === undefined && event.written === undefined;
}

/** About as many as the event takes in a message, and no fewer than it takes in memory. */
export function charsOf(event: TokensEvent | Small): number {
  if (event.type !== 'tokens') return 0;
  let chars = event.text.length + (event.written?.length ?? 0) + EVENT_CHARS;
  for (const { top, ...chosen } of event.logprobs ?? []) {
    for (const { token, bytes = [] } of [chosen, ...top]) chars += token.length + 4 * bytes.length + LIKELIHOOD_CHARS;
  }
  return chars;
}
