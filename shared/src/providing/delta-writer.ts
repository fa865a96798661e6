/**
 * Turns an engine's tokens into numbered deltas. A lone token leaves at once; tokens that come faster than one in
 * `COALESCE_MS` share a delta, so that a 1,400 tok/s engine costs 250 messages a second and not 1,400. Thoughts and answer
 * never share one, and an asker that does not know thoughts gets all of it as the model wrote it, or without them.
 */
import { charsOf } from '../jobs/inbox.ts';
import type { JobSink } from '../jobs/job-sink.ts';
import { MAX_GATHERED_CHARS } from '../limits.ts';
import type { Clock } from '../ports/clock.ts';
import type { TokensEvent } from '../ports/engine.ts';
import type { JobId } from '../protocol/ids.ts';
import type { PeerMessageOf, TokenLogprob } from '../protocol/messages.ts';

/** Below what a reader or a 60 Hz screen can tell. */
const COALESCE_MS = 4;

/** `marked`: as tokens with a mark; `written`: as text, markers and all; `left-out`: as tokens without text. */
export type Thoughts = 'marked' | 'written' | 'left-out';

export class DeltaWriter {
  readonly #jobId: JobId;
  readonly #sink: JobSink;
  readonly #clock: Clock;
  readonly #thoughts: Thoughts;
  #sentTokens = 0;
  #text = '';
  #written = '';
  #thought = false;
  #tokens = 0;
  #logprobs: TokenLogprob[] | undefined;
  #lastSentMs = Number.NEGATIVE_INFINITY;
  #gatheredChars = 0;
  #cancelFlush: (() => void) | undefined;

  constructor(options: { jobId: JobId; sink: JobSink; clock: Clock; thoughts?: Thoughts }) {
    this.#jobId = options.jobId;
    this.#sink = options.sink;
    this.#clock = options.clock;
    this.#thoughts = options.thoughts ?? 'written';
  }

  /** Sent so far. */
  get tokenCount(): number {
    return this.#sentTokens;
  }

  push(event: TokensEvent): void {
    const { text, written = text, tokenCount, logprobs } = event;
    const isMarked = this.#thoughts === 'marked';
    const thought = isMarked && event.thought === true;
    if (thought !== this.#thought) this.#flush();
    this.#thought = thought;
    this.#gatheredChars += charsOf(event);
    // Who was promised JSON and knows no marks could do nothing with a thought in front of it.
    const isLeftOut = this.#thoughts === 'left-out' && event.thought === true;
    this.#text += isMarked ? text : isLeftOut ? '' : written;
    this.#written += isLeftOut ? '' : written;
    this.#tokens += tokenCount;
    if (logprobs !== undefined) this.#logprobs = [...(this.#logprobs ?? []), ...logprobs];
    const sinceMs = this.#clock.monotonicMs() - this.#lastSentMs;
    if (sinceMs >= COALESCE_MS || this.#gatheredChars > MAX_GATHERED_CHARS) this.#flush();
    else this.#cancelFlush ??= this.#clock.after(COALESCE_MS - sinceMs, () => this.#flush());
  }

  end({ reason, usage, stopText }: Omit<PeerMessageOf<'job-end'>, 'type' | 'jobId'>): void {
    this.#flush();
    if (!this.#sink.isOpen) return;
    const stopped = stopText === undefined ? {} : { stopText };
    this.#sink.send({ type: 'job-end', jobId: this.#jobId, reason, usage, ...stopped });
  }

  /** What is not sent yet is dropped. */
  close(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    this.#tokens = 0;
  }

  #flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    if (this.#tokens === 0 || !this.#sink.isOpen) return;
    this.#sink.send({
      type: 'token-delta',
      jobId: this.#jobId,
      firstToken: this.#sentTokens,
      tokenCount: this.#tokens,
      text: this.#text,
      ...(this.#thought ? { thought: true } : {}),
      ...(this.#written === this.#text ? {} : { written: this.#written }),
      ...(this.#logprobs === undefined ? {} : { logprobs: this.#logprobs }),
    });
    this.#sentTokens += this.#tokens;
    this.#text = '';
    this.#written = '';
    this.#tokens = 0;
    this.#logprobs = undefined;
    this.#gatheredChars = 0;
    this.#lastSentMs = this.#clock.monotonicMs();
  }
}
