/**
 * One answer as it comes from a peer. What the peer says is held to what was asked (which token comes next, how many, how
 * much text they can hold), measured, and kept until it is read.
 */
import { MeshError } from '../errors.ts';
import { Inbox, type UnreadTotal } from '../jobs/inbox.ts';
import { failedOutcome, finishedOutcome, type JobOutcome } from '../jobs/job-outcome.ts';
import { type JobMeasurement, JobTimer } from '../jobs/job-timer.ts';
import { MAX_ANSWER_BYTES, MAX_STALL_MS } from '../limits.ts';
import type { Clock } from '../ports/clock.ts';
import type { TokensEvent } from '../ports/engine.ts';
import type { PeerId } from '../protocol/ids.ts';
import type { FinishReason, PeerMessageOf, Usage } from '../protocol/messages.ts';
import { type ExpectedPace, StallWatch } from './stall-watch.ts';

/** The line to a provider: an open link, or this end's own provider. */
export interface JobLine {
  readonly remote: PeerId;
  readonly isOpen: boolean;
  send(message: PeerMessageOf<'job-start' | 'embed-start' | 'job-cancel'>): void;
}

export type JobRequest = Omit<PeerMessageOf<'job-start'>, 'type'>;

/** What the peer says of the answer. */
export type JobWord =
  | TokensEvent
  | {
      readonly type: 'end';
      readonly reason: FinishReason;
      readonly usage: Usage;
      readonly stopText?: string | undefined;
      readonly measurement: JobMeasurement | undefined;
    };

/** `peer-doubted`: an entry takes the peer for gone. It is, or `peer-there` follows. */
export type JobEvent = JobWord | { readonly type: 'peer-doubted' | 'peer-there' };

/** What whoever runs a job wants to hear of it, and how long the peer has. */
export interface JobWatch {
  /** Once, when the job is over: when its end arrives, whether anybody reads on or not. */
  onOutcome?(outcome: JobOutcome): void;
  /** The signal was aborted while the peer was late or silent by what `pace` says of it. */
  onLeftWaiting?(): void;
  readonly pace?: ExpectedPace;
  /** Without a first text for so long the peer counts as lost. Default: `MAX_STALL_MS`. */
  readonly stallMs?: number;
}

const encoder = new TextEncoder();

export class IncomingAnswer {
  readonly line: JobLine;
  readonly #clock: Clock;
  readonly #job: JobRequest;
  readonly #watch: JobWatch;
  readonly #timer: JobTimer;
  readonly #stall: StallWatch;
  readonly #inbox: Inbox<JobEvent>;
  #receivedTokens = 0;
  /** Of the text so far: no tokenizer makes more tokens of it. */
  #receivedBytes = 0;
  #writtenBytes = 0;
  /** The tokens that count for the rate. */
  #creditedTokens = 0;
  #error: Error | undefined;
  #isDoubted = false;
  #isOver = false;
  #isSettled = false;
  #wake: (() => void) | undefined;

  constructor(options: { clock: Clock; line: JobLine; job: JobRequest; watch: JobWatch; unread: UnreadTotal }) {
    const { clock, line, job, watch, unread } = options;
    this.line = line;
    this.#clock = clock;
    this.#job = job;
    this.#watch = watch;
    this.#timer = new JobTimer(clock.monotonicMs());
    this.#inbox = new Inbox(unread);
    this.#stall = new StallWatch({
      clock,
      firstStallMs: watch.stallMs ?? MAX_STALL_MS,
      onStall: (silentMs) => this.fail(MeshError.peerLost(`without a word for ${Math.round(silentMs / 1000)} s`)),
    });
  }

  /** The peer said so or was told so; what it says from then on is not heard. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** @throws why the answer broke off, once all before it was read */
  async next(): Promise<JobEvent> {
    for (;;) {
      const event = this.#inbox.shift();
      if (event !== undefined) return event;
      if (this.#error !== undefined) throw this.#error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  receive(delta: PeerMessageOf<'token-delta'>): void {
    if (delta.firstToken + delta.tokenCount <= this.#receivedTokens) return;
    if (delta.firstToken !== this.#receivedTokens) {
      this.fail(MeshError.peerLost(`it sent token ${delta.firstToken} after ${this.#receivedTokens}`));
      return;
    }
    this.#receivedTokens += delta.tokenCount;
    const { maxTokens, topLogprobs } = this.#job.parameters;
    if (this.#receivedTokens > maxTokens) {
      this.fail(MeshError.peerLost('it sent more tokens than it was asked for'));
      return;
    }
    const text = wholeCharacters(delta.text);
    const written = delta.written === undefined ? text : wholeCharacters(delta.written);
    this.#receivedBytes += encoder.encode(text).length;
    this.#writtenBytes += encoder.encode(written).length;
    if (
      Math.max(this.#receivedBytes, this.#writtenBytes) > MAX_ANSWER_BYTES ||
      (delta.logprobs ?? []).length > delta.tokenCount
    ) {
      this.fail(MeshError.peerLost('it sent more than its tokens can hold'));
      return;
    }
    const { tokenCount, logprobs } = delta;
    const event: TokensEvent = {
      type: 'tokens',
      text,
      tokenCount,
      ...(delta.thought === true ? { thought: true } : {}),
      ...(written === text ? {} : { written }),
      ...(topLogprobs !== undefined && logprobs ? { logprobs } : {}),
    };
    if (text === '') this.#hold(withoutMarkers(event));
    else this.#give(event);
  }

  end({ reason, usage, stopText }: PeerMessageOf<'job-end'>): void {
    this.#isOver = true;
    this.#stall.stop();
    const measurement = this.#timer.measurement();
    this.#settle(finishedOutcome(measurement, { usage }));
    const rest = this.#withHeld({ type: 'tokens', text: '', tokenCount: 0 });
    if (rest.tokenCount > 0) this.#push(rest);
    // What came was counted here; more is only claimed.
    const completionTokens = Math.min(usage.completionTokens, this.#receivedTokens);
    this.#push({ type: 'end', reason, usage: { ...usage, completionTokens }, stopText, measurement });
  }

  /** The peer will not answer. */
  refuse(error: Error): void {
    this.#isOver = true;
    this.fail(error);
  }

  /** An entry takes the peer for gone, or it has shown after that that it is there. */
  doubt(isDoubted: boolean): void {
    if (this.#isOver || this.#isDoubted === isDoubted) return;
    this.#isDoubted = isDoubted;
    this.#push({ type: isDoubted ? 'peer-doubted' : 'peer-there' });
  }

  /** Whoever asked has left. */
  cancel(): void {
    const { pace, onLeftWaiting } = this.#watch;
    if (!this.#isOver && pace !== undefined && this.#stall.keepsWaiting(pace)) onLeftWaiting?.();
    this.fail(MeshError.cancelled());
  }

  /** The first reason counts. */
  fail(error: Error): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    this.#settle(failedOutcome(error));
    this.#leave();
    this.#wakeReader();
  }

  /** Nobody reads on. @param error why the reading ended before the answer did; undefined: the reader left */
  close(error: unknown): void {
    if (!this.#isSettled) this.#settle(failedOutcome(error ?? MeshError.cancelled()));
    this.#leave();
    this.#inbox.clear();
  }

  /** Tokens without text are no progress for whoever reads: they leave with the next that has some. */
  #hold(event: TokensEvent): void {
    this.#stall.textless();
    this.#inbox.hold(event);
    if (this.#inbox.isFull) this.fail(MeshError.peerLost('it sent tokens without text'));
  }

  #give(event: TokensEvent): void {
    const credited = Math.min(this.#receivedTokens, this.#receivedBytes);
    this.#timer.tokens(this.#clock.monotonicMs(), credited - this.#creditedTokens);
    this.#creditedTokens = credited;
    const whole = this.#withHeld(event);
    this.#stall.text(whole.tokenCount);
    this.#push(whole);
    if (this.#inbox.isFull) this.fail(MeshError.cancelled());
  }

  /** The event, and the tokens without text that came before it. */
  #withHeld(event: TokensEvent): TokensEvent {
    const held = this.#inbox.takeHeld();
    if (held.tokenCount === 0) return event;
    const { text, thought } = event;
    const written = held.written + (event.written ?? text);
    const logprobs = [...(held.logprobs ?? []), ...(event.logprobs ?? [])];
    return {
      type: 'tokens',
      text,
      tokenCount: held.tokenCount + event.tokenCount,
      ...(thought ? { thought } : {}),
      ...(written === text ? {} : { written }),
      ...(logprobs.length === 0 ? {} : { logprobs }),
    };
  }

  #push(event: JobEvent): void {
    this.#inbox.push(event);
    this.#wakeReader();
  }

  /** Tells the peer to stop, at once: a reader who does not read would never come to it. */
  #leave(): void {
    this.#stall.stop();
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.line.isOpen) this.line.send({ type: 'job-cancel', jobId: this.#job.jobId });
  }

  /** The first word counts. */
  #settle(outcome: JobOutcome): void {
    if (!this.#isSettled) this.#watch.onOutcome?.(outcome);
    this.#isSettled = true;
  }

  #wakeReader(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

/** What comes with the next text should not tell probabilities of markers that nobody sees. */
function withoutMarkers(event: TokensEvent): TokensEvent {
  if (!event.thought) return event;
  const { logprobs: _, ...rest } = event;
  return rest;
}

function wholeCharacters(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}
