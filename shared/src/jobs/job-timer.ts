/**
 * What one job measured (MS1). TTFT: send to the first token with text. Decode rate: (tokens − 1) ÷ (last token − first
 * token), where a window that is too short for that falls back to tokens ÷ wall time and is marked. Tokens that arrive
 * together with the first one were decoded before the window began, and don't count in it either. Tokens without text are
 * no progress: they count as if they had come with the text behind them.
 */
import { MAX_TOKENS_PER_SECOND } from '../limits.ts';

export interface JobMeasurement {
  readonly ttftMs: number;
  /** null when no rate can be told: no time passed, or a rate that no hardware reaches. */
  readonly tokensPerSecond: number | null;
  /** The rate is tokens ÷ wall time, because the window was short. */
  readonly approximate: boolean;
}

const SHORTEST_WINDOW_MS = 50;
const FEWEST_TOKENS = 8;

export class JobTimer {
  readonly #startMs: number;
  #firstTokenMs: number | undefined;
  /** That came with the first one. */
  #firstTokens = 0;
  #lastTokenMs = 0;
  #tokens = 0;
  /** Came without text, and count with the next that has some. */
  #textless = 0;

  constructor(startMs: number) {
    this.#startMs = startMs;
  }

  tokens(nowMs: number, received: number, hasText = true): void {
    this.#textless += received;
    if (!hasText) return;
    const count = this.#textless;
    this.#textless = 0;
    if (this.#firstTokenMs === undefined) {
      this.#firstTokenMs = nowMs;
      this.#firstTokens = count;
    }
    this.#lastTokenMs = nowMs;
    this.#tokens += count;
  }

  /** Undefined while no text has come. */
  measurement(): JobMeasurement | undefined {
    if (this.#firstTokenMs === undefined) return undefined;
    const windowMs = this.#lastTokenMs - this.#firstTokenMs;
    const windowTokens = this.#tokens - this.#firstTokens;
    const approximate = windowMs < SHORTEST_WINDOW_MS || windowTokens < FEWEST_TOKENS - 1;
    const tokens = approximate ? this.#tokens : windowTokens;
    const durationMs = approximate ? this.#lastTokenMs - this.#startMs : windowMs;
    const rate = durationMs > 0 ? (tokens * 1000) / durationMs : Number.POSITIVE_INFINITY;
    return {
      ttftMs: this.#firstTokenMs - this.#startMs,
      tokensPerSecond: rate > MAX_TOKENS_PER_SECOND ? null : rate,
      approximate,
    };
  }
}
