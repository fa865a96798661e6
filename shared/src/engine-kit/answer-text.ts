/**
 * The text of one answer on its way out: ends before a stop string, and leaves in whole tokens, so that a reader who stops
 * anywhere holds text that ends at a token boundary. Neither engine's own stop strings will do: llama.cpp drops what it
 * held back when an answer is cut by its length, and WebLLM shows the beginning of a stop string.
 */
import type { EngineEvent } from '../ports/engine.ts';
import type { TokenLogprob } from '../protocol/messages.ts';
import { StopScanner } from './stop-scanner.ts';

export class AnswerText {
  readonly #emit: (event: EngineEvent) => void;
  readonly #scanner: StopScanner;
  #arrivedChars = 0;
  #text = '';
  #tokenCount = 0;
  #logprobs: TokenLogprob[] = [];
  #sentTokens = 0;
  #stopped = false;

  constructor(stops: readonly string[], emit: (event: EngineEvent) => void) {
    this.#scanner = new StopScanner(stops);
    this.#emit = emit;
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

  /** Tokens so far, those of a text that is held back included. */
  get tokenCount(): number {
    return this.#sentTokens + this.#tokenCount;
  }

  /** `logprobs`: of these tokens, where they are asked for. */
  push(arrived: string, tokenCount: number, logprobs: readonly TokenLogprob[] = []): void {
    if (this.#stopped) return;
    const { text, stopped } = this.#scanner.push(arrived);
    this.#arrivedChars += arrived.length;
    this.#text += text;
    this.#tokenCount += tokenCount;
    this.#logprobs.push(...logprobs);
    this.#stopped = stopped;
    if (stopped || this.#text.length === this.#arrivedChars) this.#release();
  }

  /** Lets go of what was held back. `tokenCount`: of the whole answer, when the engine knows of more than came. */
  end(tokenCount: number): void {
    if (!this.#stopped) {
      this.#text += this.#scanner.flush();
      this.#tokenCount += Math.max(0, tokenCount - this.tokenCount);
    }
    this.#release();
  }

  /** A text whose token has not been counted yet waits for it. */
  #release(): void {
    if (this.#tokenCount === 0) return;
    this.#emit({
      type: 'tokens',
      text: this.#text,
      tokenCount: this.#tokenCount,
      ...(this.#logprobs.length === 0 ? {} : { logprobs: this.#logprobs }),
    });
    this.#sentTokens += this.#tokenCount;
    this.#arrivedChars = 0;
    this.#text = '';
    this.#tokenCount = 0;
    this.#logprobs = [];
  }
}
