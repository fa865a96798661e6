/**
 * Turns the tokens of one answer into the text that may go out. A character can take several tokens and a stop string
 * can too: text is held back until it is certain, always in whole tokens, so that a reader who stops anywhere holds text
 * that ends at a token boundary.
 */

import type { Token } from 'node-llama-cpp';
import { StopScanner } from '../../shared/src/inference/stop-scanner.ts';

export type Detokenize = (tokens: readonly Token[], specialTokens: false, lastTokens: readonly Token[]) => string;

export interface AnswerText {
  readonly text: string;
  /** Tokens that the text stands for; 0 means that there is nothing to say yet. */
  readonly tokenCount: number;
}

/** The detokeniser looks at this many tokens before, for leading spaces. */
const LOOK_BACK_TOKENS = 3;
/** No character takes more bytes than 4; twice that many tokens without a whole one are not going to become one. */
const MAX_SPLIT_TOKENS = 8;
const INCOMPLETE = '\ufffd';

export class AnswerTextStream {
  readonly #detokenize: Detokenize;
  readonly #stops: StopScanner;
  #before: readonly Token[];
  #split: Token[] = [];
  #heldText = '';
  #heldTokens = 0;
  #heldByScanner = 0;
  #stopped = false;

  constructor(detokenize: Detokenize, prompt: readonly Token[], stops: readonly string[]) {
    this.#detokenize = detokenize;
    this.#before = prompt.slice(-LOOK_BACK_TOKENS);
    this.#stops = new StopScanner(stops);
  }

  /** Whether a stop string was met: the answer ends here. */
  get stopped(): boolean {
    return this.#stopped;
  }

  push(token: Token): AnswerText {
    this.#heldTokens += 1;
    this.#split.push(token);
    const piece = this.#detokenize(this.#split, false, this.#before);
    if (piece.endsWith(INCOMPLETE) && this.#split.length < MAX_SPLIT_TOKENS) return NOTHING;
    this.#take(piece);
    return this.#stopped || (this.#heldText !== '' && this.#heldByScanner === 0) ? this.#release() : NOTHING;
  }

  /** What was held back, once no token follows; a character that stayed incomplete is left out. */
  end(): AnswerText {
    if (this.#split.length > 0) this.#take(this.#detokenize(this.#split, false, this.#before).replace(/\ufffd+$/, ''));
    if (!this.#stopped) this.#heldText += this.#stops.flush();
    return this.#release();
  }

  #take(piece: string): void {
    this.#before = [...this.#before, ...this.#split].slice(-LOOK_BACK_TOKENS);
    this.#split = [];
    const { text, stopped } = this.#stops.push(piece);
    this.#heldText += text;
    this.#heldByScanner += piece.length - text.length;
    this.#stopped = stopped;
  }

  #release(): AnswerText {
    const released = { text: this.#heldText, tokenCount: this.#heldTokens };
    this.#heldText = '';
    this.#heldTokens = 0;
    return released;
  }
}

const NOTHING: AnswerText = { text: '', tokenCount: 0 };
