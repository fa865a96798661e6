/**
 * Tokens to text. A character can take several tokens: they wait for each other, so that what goes out is whole.
 */
import type { Token } from 'node-llama-cpp';

export type Detokenize = (tokens: readonly Token[], specialTokens: false, lastTokens: readonly Token[]) => string;

export interface DecodedTokens {
  readonly text: string;
  /** Tokens that the text stands for. */
  readonly tokenCount: number;
}

/** The detokeniser looks at this many tokens before, for leading spaces. */
const LOOK_BACK_TOKENS = 3;
/** No character takes more bytes than 4; twice that many tokens without a whole one are not going to become one. */
const MAX_SPLIT_TOKENS = 8;
const INCOMPLETE = '\ufffd';

export class TokenDecoder {
  readonly #detokenize: Detokenize;
  #before: readonly Token[];
  #split: Token[] = [];

  constructor(detokenize: Detokenize, prompt: readonly Token[]) {
    this.#detokenize = detokenize;
    this.#before = prompt.slice(-LOOK_BACK_TOKENS);
  }

  /** Undefined while a character is incomplete. */
  push(token: Token): DecodedTokens | undefined {
    this.#split.push(token);
    const text = this.#detokenize(this.#split, false, this.#before);
    if (text.endsWith(INCOMPLETE) && this.#split.length < MAX_SPLIT_TOKENS) return undefined;
    return this.#release(text);
  }

  /** The tokens that still wait, once none follows; a character that stayed incomplete is left out. */
  end(): DecodedTokens | undefined {
    if (this.#split.length === 0) return undefined;
    return this.#release(this.#detokenize(this.#split, false, this.#before).replace(/\ufffd+$/, ''));
  }

  #release(text: string): DecodedTokens {
    const tokenCount = this.#split.length;
    this.#before = [...this.#before, ...this.#split].slice(-LOOK_BACK_TOKENS);
    this.#split = [];
    return { text, tokenCount };
  }
}
