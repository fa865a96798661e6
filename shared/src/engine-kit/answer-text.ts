/**
 * The text of one answer on its way out: thoughts are told from the answer, which ends before a stop string, and all leaves
 * in whole tokens, so that a reader who stops anywhere holds text that ends at a token boundary. Neither engine's own stop
 * strings will do: llama.cpp drops what it held back when an answer is cut by its length, and WebLLM shows the beginning of a
 * stop string.
 */
import type { EngineEvent, TokensEvent } from '../ports/engine.ts';
import type { TokenLogprob } from '../protocol/messages.ts';
import { StopScanner } from './stop-scanner.ts';
import { ThoughtSplitter } from './thought-splitter.ts';

/** Where the model stands when its first token comes. */
export interface AnswerStart {
  /** The prompt leaves a thought open (`opensThought`). */
  readonly promptOpensThought?: boolean;
  /** What another engine had written of the answer. */
  readonly begun?: string | undefined;
}

/** Tokens that came together, and where what they wrote ends in what waits. */
interface Arrival {
  readonly tokenCount: number;
  readonly logprobs: readonly TokenLogprob[];
  readonly end: number;
}

export class AnswerText {
  readonly #emit: (event: EngineEvent) => void;
  readonly #thoughts: ThoughtSplitter;
  readonly #scanner: StopScanner;
  /** What waits: as it was written, and the texts of it that readers see. */
  #written = '';
  #thought = '';
  #answer = '';
  /** Where in it the answer begins; at its end before that. */
  #answerFrom: number | undefined;
  #arrivals: Arrival[] = [];
  #tokenCount = 0;
  #sentTokens = 0;
  /** Tokens that were given to two texts of one, and are not given again. */
  #owedTokens = 0;
  #stopped = false;

  constructor(stops: readonly string[], emit: (event: EngineEvent) => void, start: AnswerStart = {}) {
    this.#scanner = new StopScanner(stops);
    this.#emit = emit;
    this.#thoughts = new ThoughtSplitter(start);
    // Of this nothing is given again, but what it ends with may still become a marker.
    this.#thoughts.push(start.begun ?? '');
  }

  /** A stop string was met: what the engine still says does not belong to the answer. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Which stop string it was, for the `end` of an answer. */
  get stop(): { readonly stopText?: string } {
    const { met } = this.#scanner;
    return met === undefined ? {} : { stopText: met };
  }

  /** What comes now would be a thought. */
  get isThinking(): boolean {
    return this.#thoughts.isThinking;
  }

  /** Tokens so far, those of a text that is held back included. */
  get tokenCount(): number {
    return this.#sentTokens + this.#tokenCount;
  }

  /** `logprobs`: of these tokens, where they are asked for. */
  push(arrived: string, tokenCount: number, logprobs: readonly TokenLogprob[] = []): void {
    if (this.#stopped) return;
    const count = Math.max(0, tokenCount - this.#owedTokens);
    this.#owedTokens -= tokenCount - count;
    this.#written += arrived;
    this.#arrive(count, logprobs);
    const { thought, answer } = this.#thoughts.push(arrived);
    this.#thought += thought;
    if (answer !== '') this.#scan(answer);
    if (this.#stopped || !(this.#thoughts.isHolding || this.#scanner.isHolding)) this.#release();
  }

  /** Lets go of what was held back. `tokenCount`: of the whole answer, when the engine knows of more than came. */
  end(tokenCount: number): void {
    if (!this.#stopped) {
      const { answer } = this.#thoughts.flush();
      if (answer !== '') this.#scan(answer);
      if (!this.#stopped) this.#answer += this.#scanner.flush();
      this.#arrive(Math.max(0, tokenCount - this.tokenCount), []);
    }
    this.#release();
  }

  #arrive(tokenCount: number, logprobs: readonly TokenLogprob[]): void {
    if (tokenCount === 0 && logprobs.length === 0) return;
    this.#arrivals.push({ tokenCount, logprobs, end: this.#written.length });
    this.#tokenCount += tokenCount;
  }

  /** An answer is the end of what was written, so what a stop string took is cut off there. */
  #scan(answer: string): void {
    this.#answerFrom ??= Math.max(0, this.#written.length - answer.length);
    const { text, stopped } = this.#scanner.push(answer);
    this.#answer += text;
    this.#stopped = stopped;
    if (stopped) this.#written = this.#written.slice(0, this.#answerFrom + this.#answer.length);
  }

  /** A text whose token has not been counted yet waits for it. */
  #release(): void {
    if (this.#tokenCount === 0) return;
    const isThought = this.#answerFrom === undefined && this.#thoughts.hasThought;
    const from = this.#answerFrom ?? 0;
    const isAnswer = from === 0 || (this.#thought === '' && this.#arrivals.every(({ end }) => end > from));
    if (isThought || isAnswer) {
      const text = isThought ? this.#thought : this.#answer;
      this.#give(text, this.#written, isThought, sumOf(this.#arrivals));
      this.#keep(this.#written.length);
      return;
    }
    const ofThought = sumOf(this.#arrivals.filter(({ end }) => end <= from));
    const ofAnswer = sumOf(this.#arrivals.filter(({ end }) => end > from));
    // Both in one token, or in what a server counts as one.
    if (ofThought.tokenCount === 0) {
      ofThought.tokenCount = 1;
      if (ofAnswer.tokenCount > 1) ofAnswer.tokenCount -= 1;
      else this.#owedTokens += 1;
    }
    this.#give(this.#thought, this.#written.slice(0, from), true, ofThought);
    if (ofAnswer.tokenCount > 0) this.#give(this.#answer, this.#written.slice(from), false, ofAnswer);
    this.#keep(ofAnswer.tokenCount > 0 ? this.#written.length : from);
  }

  #give(text: string, written: string, isThought: boolean, { tokenCount, logprobs }: Sum): void {
    this.#sentTokens += tokenCount;
    const event: TokensEvent = {
      type: 'tokens',
      text,
      tokenCount,
      ...(isThought ? { thought: true } : {}),
      ...(written === text ? {} : { written }),
      ...(logprobs.length === 0 ? {} : { logprobs }),
    };
    this.#emit(event);
  }

  /** What is written from there on waits for its tokens. */
  #keep(from: number): void {
    const isAnswer = this.#answerFrom !== undefined;
    this.#written = this.#written.slice(from);
    this.#thought = '';
    if (this.#written === '') this.#answer = '';
    this.#answerFrom = isAnswer ? 0 : undefined;
    this.#arrivals = [];
    this.#tokenCount = 0;
  }
}

interface Sum {
  tokenCount: number;
  logprobs: readonly TokenLogprob[];
}

function sumOf(arrivals: readonly Arrival[]): Sum {
  return {
    tokenCount: arrivals.reduce((sum, { tokenCount }) => sum + tokenCount, 0),
    logprobs: arrivals.flatMap(({ logprobs }) => logprobs),
  };
}
