/**
 * Whether a peer still gives its reader something. Only text counts: tokens without any may come as fast as they like, and
 * are worth no more than a little patience, because a rare character takes several of them.
 */
import { MAX_STALL_MS } from '../limits.ts';
import type { Clock } from '../ports/clock.ts';

/** How fast a peer should be, by what is known of it. */
export interface ExpectedPace {
  /** Who leaves a peer that has given no text for so long leaves because of that. */
  readonly firstTextMs: number;
  /** From one token to the next. */
  readonly tokenMs: number;
}

/** No text for this long behind the first one, until the pace is known, and the peer counts as lost; … */
const SECOND_TEXT_STALL_MS = 10_000;
const KNOWN_PACE_TEXTS = 8;
/** … then some times the longest pause it made lately, which is a p99 that costs nothing to keep. */
const STALL_PAUSES = 4;
const SHORTEST_STALL_MS = 2_000;
const PAUSE_DECAY = 0.99;
/** While tokens without text come. */
const TEXTLESS_FACTOR = 2;
/** Who leaves a peer that is so many times slower than it should be leaves because of that. */
const SLOW_FACTOR = 4;

export class StallWatch {
  readonly #clock: Clock;
  readonly #firstStallMs: number;
  readonly #onStall: (silentMs: number) => void;
  readonly #startedMs: number;
  #firstTextMs = 0;
  /** Of the last text; of the start before there is any. */
  #lastTextMs: number;
  #texts = 0;
  #tokens = 0;
  #isTextless = false;
  /** Between two texts at most, by and by forgotten. */
  #longPauseMs = 0;
  #stallMs = 0;
  /** When the timer fires; it may be sooner than there is something to tell. */
  #firesAtMs = Number.POSITIVE_INFINITY;
  #cancel: () => void = () => {};

  /** @param firstStallMs without a first text for so long the peer counts as lost */
  constructor(options: { clock: Clock; firstStallMs: number; onStall(silentMs: number): void }) {
    this.#clock = options.clock;
    this.#firstStallMs = options.firstStallMs;
    this.#onStall = options.onStall;
    this.#startedMs = this.#clock.monotonicMs();
    this.#lastTextMs = this.#startedMs;
    this.#expect();
  }

  /** A text came, and so many tokens with it and since the one before. */
  text(tokenCount: number): void {
    const nowMs = this.#clock.monotonicMs();
    if (this.#texts === 0) this.#firstTextMs = nowMs;
    else this.#longPauseMs = Math.max(this.#longPauseMs * PAUSE_DECAY, nowMs - this.#lastTextMs);
    this.#lastTextMs = nowMs;
    this.#texts += 1;
    this.#tokens += tokenCount;
    this.#isTextless = false;
    this.#expect();
  }

  /** A token came that has no text. */
  textless(): void {
    if (this.#isTextless || this.#texts === 0) return;
    this.#isTextless = true;
    this.#expect();
  }

  /** Whether somebody who leaves now has been kept waiting. */
  keepsWaiting({ firstTextMs, tokenMs }: ExpectedPace): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (this.#texts === 0) return nowMs - this.#startedMs > firstTextMs;
    const slowestMs = SLOW_FACTOR * tokenMs;
    const isSilent = nowMs - this.#lastTextMs > Math.max(SHORTEST_STALL_MS, slowestMs);
    return isSilent || nowMs - this.#firstTextMs > Math.max(SHORTEST_STALL_MS, this.#tokens * slowestMs);
  }

  stop(): void {
    this.#cancel();
  }

  /** A timer that would fire too soon looks again then: texts come by the thousand, and each would cost a timer. */
  #expect(): void {
    this.#stallMs = this.#patienceMs();
    const dueMs = this.#lastTextMs + this.#stallMs;
    if (this.#firesAtMs > dueMs) this.#fireAt(dueMs);
  }

  #fireAt(dueMs: number): void {
    this.#cancel();
    this.#firesAtMs = dueMs;
    this.#cancel = this.#clock.after(dueMs - this.#clock.monotonicMs(), () => {
      const stalledAtMs = this.#lastTextMs + this.#stallMs;
      if (stalledAtMs > this.#clock.monotonicMs()) this.#fireAt(stalledAtMs);
      else this.#onStall(this.#stallMs);
    });
  }

  #patienceMs(): number {
    if (this.#texts === 0) return this.#firstStallMs;
    const patience = this.#isTextless ? TEXTLESS_FACTOR : 1;
    if (this.#texts < KNOWN_PACE_TEXTS) return patience * SECOND_TEXT_STALL_MS;
    return Math.min(MAX_STALL_MS, patience * Math.max(SHORTEST_STALL_MS, STALL_PAUSES * this.#longPauseMs));
  }
}
