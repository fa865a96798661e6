/**
 * Tells a model's thoughts from its answer by the markers that it writes, `<think>` and `</think>`: the one place that knows
 * them. A thought begins with the answer's first sign, or in the prompt, where the chat template opens it; the first end
 * behind that ends it. Anywhere else the same signs are text, and so they stay in an answer that speaks of them. Markers and
 * the blanks around them are nobody's text. What may still become one is held back.
 */
const OPEN = '<think>';
const CLOSE = '</think>';
/** Blanks in front of a marker are its own; more than so many are no blanks around one, and would keep readers waiting. */
const MOST_BLANKS = 64;

export interface SplitText {
  readonly thought: string;
  /** The end of what was pushed: once an answer has begun, all is answer. */
  readonly answer: string;
}

/** Whether a prompt leaves a thought open, as DeepSeek-R1's and Qwen3-Thinking's chat templates do. */
export function opensThought(prompt: string): boolean {
  return prompt.trimEnd().endsWith(OPEN);
}

/** What ends a thought that the prompt has opened, for a request that wants none. */
export const NO_THOUGHT = `\n${CLOSE}\n\n`;
/** What opens one, for a model that would open it itself. */
export const THOUGHT_OPENED = `${OPEN}\n`;

export class ThoughtSplitter {
  #state: 'outside' | 'thinking' | 'answering';
  #held = '';
  /** The blanks behind it are no part of the answer. */
  #hasThought: boolean;
  /** Of the thought being read something was given. */
  #hasText = false;

  constructor(begin: { readonly promptOpensThought?: boolean } = {}) {
    this.#state = begin.promptOpensThought ? 'thinking' : 'outside';
    this.#hasThought = begin.promptOpensThought ?? false;
  }

  get isHolding(): boolean {
    return this.#held !== '';
  }

  get isThinking(): boolean {
    return this.#state === 'thinking';
  }

  /** What came began with one, which may have ended. */
  get hasThought(): boolean {
    return this.#hasThought;
  }

  push(text: string): SplitText {
    if (this.#state === 'answering') return { thought: '', answer: text };
    let rest = this.#held + text;
    let thought = '';
    this.#held = '';
    for (;;) {
      if (this.#state === 'outside') {
        const from = rest.length - rest.trimStart().length;
        if (rest.startsWith(OPEN, from)) {
          this.#open();
          rest = rest.slice(from + OPEN.length);
        } else if (from <= MOST_BLANKS && OPEN.startsWith(rest.slice(from))) {
          this.#held = rest;
          return { thought, answer: '' };
        } else {
          this.#state = 'answering';
          return { thought, answer: this.#hasThought ? rest.slice(from) : rest };
        }
      } else {
        // The template has opened it, and the model does so again.
        if (!this.#hasText) rest = withoutOpening(rest);
        const end = rest.indexOf(CLOSE);
        if (end === -1) {
          const given = this.#given(rest);
          this.#held = rest.slice(given.length);
          return { thought: thought + this.#begun(given), answer: '' };
        }
        thought += this.#begun(rest.slice(0, end).trimEnd());
        rest = rest.slice(end + CLOSE.length);
        this.#state = 'outside';
      }
    }
  }

  /** What was held back, once no more comes: half a marker is none of the reader's business, a lone sign is. */
  flush(): SplitText {
    const held = this.#held;
    this.#held = '';
    const isHalf = this.#state === 'thinking' || held.trim().length > 1;
    return { thought: '', answer: isHalf || this.#hasThought ? '' : held };
  }

  #open(): void {
    this.#state = 'thinking';
    this.#hasThought = true;
    this.#hasText = false;
  }

  /** Without the blanks that a thought begins with. */
  #begun(text: string): string {
    const begun = this.#hasText ? text : text.trimStart();
    if (begun !== '') this.#hasText = true;
    return begun;
  }

  /** The beginning that can't be part of a marker, nor of the blanks in front of one. */
  #given(text: string): string {
    const sign = text.lastIndexOf('<');
    let end = sign !== -1 && maybe(text.slice(sign), this.#hasText) ? sign : text.length;
    const blanks = end - text.slice(0, end).trimEnd().length;
    if (blanks <= MOST_BLANKS) end -= blanks;
    return text.slice(0, end);
  }
}

function maybe(text: string, hasText: boolean): boolean {
  return CLOSE.startsWith(text) || (!hasText && OPEN.startsWith(text));
}

function withoutOpening(text: string): string {
  const begun = text.trimStart();
  return begun.startsWith(OPEN) ? begun.slice(OPEN.length) : text;
}
