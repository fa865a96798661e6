/**
 * The asking end of a job: one attempt at one peer, as an async iterable. What a peer sends is checked against what was
 * asked: who sent it, which token comes next, whether the job is still open.
 */
import { MeshError } from '../errors.ts';
import { Inbox, UnreadTotal } from '../jobs/inbox.ts';
import { failedOutcome, finishedOutcome, type JobOutcome } from '../jobs/job-outcome.ts';
import type { JobReply } from '../jobs/job-sink.ts';
import { type JobMeasurement, JobTimer } from '../jobs/job-timer.ts';
import { decodeVectors } from '../jobs/vectors.ts';
import { MAX_ANSWER_BYTES, MAX_STALL_MS, MAX_TOLD_WAIT_MS } from '../limits.ts';
import type { Clock } from '../ports/clock.ts';
import type { Embeddings, TokensEvent } from '../ports/engine.ts';
import type { JobId, PeerId } from '../protocol/ids.ts';
import type { FinishReason, PeerMessageOf, Usage } from '../protocol/messages.ts';
import { type ExpectedPace, StallWatch } from './stall-watch.ts';

/** The line to a provider: an open link, or this end's own provider. */
export interface JobLine {
  readonly remote: PeerId;
  readonly isOpen: boolean;
  send(message: PeerMessageOf<'job-start' | 'embed-start' | 'job-cancel'>): void;
}

export type JobRequest = Omit<PeerMessageOf<'job-start'>, 'type'>;

/** How a job says who waits for it and how long; what is absent is not said. */
export function queueHints(
  client: string | undefined,
  patienceMs: number | undefined,
): Pick<JobRequest, 'client' | 'patienceMs'> {
  return {
    ...(client === undefined ? {} : { client }),
    ...(patienceMs === undefined ? {} : { patienceMs: Math.max(0, Math.floor(patienceMs)) }),
  };
}

/** What the peer says of the answer. */
export type JobWord =
  | TokensEvent
  | {
      readonly type: 'end';
      readonly reason: FinishReason;
      readonly usage: Usage;
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

interface OpenJob {
  readonly jobId: JobId;
  readonly line: JobLine;
  readonly timer: JobTimer;
  readonly maxTokens: number;
  readonly wantsLogprobs: boolean;
  readonly inbox: Inbox<JobEvent>;
  receivedTokens: number;
  /** Of the text so far: no tokenizer makes more tokens of it. */
  receivedBytes: number;
  /** The tokens that count for the rate. */
  creditedTokens: number;
  error: Error | undefined;
  isDoubted: boolean;
  /** The peer said so or was told so; what it says from then on is not heard. */
  isOver: boolean;
  wake: (() => void) | undefined;
  readonly stall: StallWatch;
  /** The first word counts. */
  settle(outcome: JobOutcome): void;
}

interface OpenEmbed {
  readonly line: JobLine;
  resolve(end: PeerMessageOf<'embed-end'>): void;
  reject(error: Error): void;
}

const encoder = new TextEncoder();

export class Requester {
  readonly #clock: Clock;
  readonly #unread = new UnreadTotal();
  readonly #jobs = new Map<JobId, OpenJob>();
  readonly #embeds = new Map<JobId, OpenEmbed>();

  constructor(options: { clock: Clock }) {
    this.#clock = options.clock;
  }

  /** Answers now being received from a peer. */
  inFlight(peerId: PeerId): number {
    let count = 0;
    for (const job of this.#jobs.values()) if (job.line.remote === peerId) count += 1;
    for (const job of this.#embeds.values()) if (job.line.remote === peerId) count += 1;
    return count;
  }

  /**
   * Yields token events, each with text, and one `end`. Tokens without any come with the next text, or before the end.
   * Between them it tells of doubts whether the peer is still there.
   * @throws MeshError the provider's refusal, `peer_lost`, or `cancelled` by the signal. Leaving the loop cancels.
   */
  async *run(
    line: JobLine,
    job: JobRequest,
    signal: AbortSignal,
    watch: JobWatch = {},
  ): AsyncGenerator<JobEvent, void, undefined> {
    if (signal.aborted) throw MeshError.cancelled();
    if (!line.isOpen) throw MeshError.peerLost('its link closed');
    let settled = false;
    const open: OpenJob = {
      jobId: job.jobId,
      line,
      timer: new JobTimer(this.#clock.monotonicMs()),
      maxTokens: job.parameters.maxTokens,
      wantsLogprobs: job.parameters.topLogprobs !== undefined,
      inbox: new Inbox(this.#unread),
      receivedTokens: 0,
      receivedBytes: 0,
      creditedTokens: 0,
      error: undefined,
      isDoubted: false,
      isOver: false,
      wake: undefined,
      stall: new StallWatch({
        clock: this.#clock,
        firstStallMs: watch.stallMs ?? MAX_STALL_MS,
        onStall: (silentMs) =>
          this.#fail(open, MeshError.peerLost(`without a word for ${Math.round(silentMs / 1000)} s`)),
      }),
      settle(outcome) {
        if (!settled) watch.onOutcome?.(outcome);
        settled = true;
      },
    };
    this.#jobs.set(job.jobId, open);
    const onAbort = () => {
      if (!open.isOver && watch.pace !== undefined && open.stall.keepsWaiting(watch.pace)) watch.onLeftWaiting?.();
      this.#fail(open, MeshError.cancelled());
    };
    signal.addEventListener('abort', onAbort);
    let ended = false;
    try {
      line.send({ type: 'job-start', ...job });
      while (!ended) {
        const event = open.inbox.shift();
        if (event !== undefined) {
          ended = event.type === 'end';
          yield event;
        } else if (open.error !== undefined) {
          throw open.error;
        } else {
          await new Promise<void>((resolve) => {
            open.wake = resolve;
          });
        }
      }
    } catch (error) {
      open.settle(failedOutcome(error));
      throw error;
    } finally {
      if (!settled) open.settle(failedOutcome(MeshError.cancelled()));
      signal.removeEventListener('abort', onAbort);
      this.#leave(open);
      open.inbox.clear();
      this.#jobs.delete(job.jobId);
    }
  }

  /** @throws MeshError as `run` does. */
  async embed(
    line: JobLine,
    job: Omit<PeerMessageOf<'embed-start'>, 'type'>,
    signal: AbortSignal,
  ): Promise<Embeddings> {
    if (signal.aborted) throw MeshError.cancelled();
    if (!line.isOpen) throw MeshError.peerLost('its link closed');
    let fail: (error: Error) => void = () => {};
    const ended = new Promise<PeerMessageOf<'embed-end'>>((resolve, reject) => {
      fail = reject;
      this.#embeds.set(job.jobId, { line, resolve, reject });
    });
    const onAbort = () => fail(MeshError.cancelled());
    signal.addEventListener('abort', onAbort);
    const cancelStall = this.#clock.after(MAX_STALL_MS, () =>
      fail(MeshError.peerLost(`silent for ${MAX_STALL_MS / 1000} s`)),
    );
    try {
      line.send({ type: 'embed-start', ...job });
      const { vectors, promptTokens } = await ended;
      return { vectors: decodeVectors(vectors, job.inputs.length), promptTokens };
    } catch (error) {
      if (line.isOpen && !endedByPeer(error)) line.send({ type: 'job-cancel', jobId: job.jobId });
      throw error;
    } finally {
      cancelStall();
      signal.removeEventListener('abort', onAbort);
      this.#embeds.delete(job.jobId);
    }
  }

  handleReply(from: PeerId, reply: JobReply): void {
    const embed = this.#embeds.get(reply.jobId);
    if (embed !== undefined && embed.line.remote === from) {
      if (reply.type === 'embed-end') embed.resolve(reply);
      else if (reply.type === 'job-error') embed.reject(new PeerRefusal(reply));
      return;
    }
    const job = this.#jobs.get(reply.jobId);
    // Late news of a job that is over, or a peer that meddles with another's job.
    if (job === undefined || job.line.remote !== from || job.isOver) return;
    switch (reply.type) {
      case 'token-delta':
        this.#receive(job, reply);
        return;
      case 'job-end':
        this.#end(job, reply);
        return;
      case 'job-error':
        job.isOver = true;
        this.#fail(job, new PeerRefusal(reply));
        return;
      case 'embed-end':
        return;
      default:
        reply satisfies never;
    }
  }

  /** An entry says that the peer is gone: whoever waits for its next word may ask another one. */
  handlePeerDoubted(remote: PeerId): void {
    this.#tell(remote, true, { type: 'peer-doubted' });
  }

  /** A doubted peer has shown that it is there. */
  handlePeerThere(remote: PeerId): void {
    this.#tell(remote, false, { type: 'peer-there' });
  }

  /** The line to a peer is gone: its answers end here. */
  handleLineClosed(remote: PeerId, reason: string): void {
    for (const job of this.#jobs.values()) {
      if (job.line.remote === remote && !job.line.isOpen) this.#fail(job, MeshError.peerLost(reason));
    }
    for (const { line, reject } of this.#embeds.values()) {
      if (line.remote === remote && !line.isOpen) reject(MeshError.peerLost(reason));
    }
  }

  #tell(remote: PeerId, isDoubted: boolean, event: JobEvent): void {
    for (const job of this.#jobs.values()) {
      if (job.line.remote !== remote || job.isOver || job.isDoubted === isDoubted) continue;
      job.isDoubted = isDoubted;
      this.#push(job, event);
    }
  }

  #receive(job: OpenJob, delta: PeerMessageOf<'token-delta'>): void {
    if (delta.firstToken + delta.tokenCount <= job.receivedTokens) return;
    if (delta.firstToken !== job.receivedTokens) {
      this.#fail(job, MeshError.peerLost(`it sent token ${delta.firstToken} after ${job.receivedTokens}`));
      return;
    }
    job.receivedTokens += delta.tokenCount;
    if (job.receivedTokens > job.maxTokens) {
      this.#fail(job, MeshError.peerLost('it sent more tokens than it was asked for'));
      return;
    }
    const text = delta.text.replace(/\p{Surrogate}/gu, '\ufffd');
    job.receivedBytes += encoder.encode(text).length;
    if (job.receivedBytes > MAX_ANSWER_BYTES || (delta.logprobs ?? []).length > delta.tokenCount) {
      this.#fail(job, MeshError.peerLost('it sent more than its tokens can hold'));
      return;
    }
    const { tokenCount, logprobs } = delta;
    const event: TokensEvent = {
      type: 'tokens',
      text,
      tokenCount,
      ...(job.wantsLogprobs && logprobs ? { logprobs } : {}),
    };
    if (text === '') this.#hold(job, event);
    else this.#give(job, event);
  }

  /** Tokens without text are no progress for whoever reads: they leave with the next that has some. */
  #hold(job: OpenJob, event: TokensEvent): void {
    job.stall.textless();
    job.inbox.hold(event);
    if (job.inbox.isFull) this.#fail(job, MeshError.peerLost('it sent tokens without text'));
  }

  #give(job: OpenJob, event: TokensEvent): void {
    const credited = Math.min(job.receivedTokens, job.receivedBytes);
    job.timer.tokens(this.#clock.monotonicMs(), credited - job.creditedTokens);
    job.creditedTokens = credited;
    const whole = withHeld(job, event);
    job.stall.text(whole.tokenCount);
    this.#push(job, whole);
    if (job.inbox.isFull) this.#fail(job, MeshError.cancelled());
  }

  #end(job: OpenJob, { reason, usage }: PeerMessageOf<'job-end'>): void {
    job.isOver = true;
    job.stall.stop();
    const measurement = job.timer.measurement();
    job.settle(finishedOutcome(measurement, { usage }));
    const rest = withHeld(job, { type: 'tokens', text: '', tokenCount: 0 });
    if (rest.tokenCount > 0) this.#push(job, rest);
    // What came was counted here; more is only claimed.
    const completionTokens = Math.min(usage.completionTokens, job.receivedTokens);
    this.#push(job, { type: 'end', reason, usage: { ...usage, completionTokens }, measurement });
  }

  #push(job: OpenJob, event: JobEvent): void {
    job.inbox.push(event);
    this.#wake(job);
  }

  #fail(job: OpenJob, error: Error): void {
    if (job.error !== undefined) return;
    job.error = error;
    job.settle(failedOutcome(error));
    this.#leave(job);
    this.#wake(job);
  }

  /** Tells the peer to stop, at once: a reader who does not read would never come to it. */
  #leave(job: OpenJob): void {
    job.stall.stop();
    if (job.isOver) return;
    job.isOver = true;
    if (job.line.isOpen) job.line.send({ type: 'job-cancel', jobId: job.jobId });
  }

  #wake(job: OpenJob): void {
    const { wake } = job;
    job.wake = undefined;
    wake?.();
  }
}

/** What a provider answered instead of tokens. */
class PeerRefusal extends MeshError {
  constructor(reply: PeerMessageOf<'job-error'>) {
    super(reply.code, reply.message, {
      // One peer's word on its own state: another peer may do better, whatever this one says of that.
      retryable: true,
      details: reply.waitMs === undefined ? {} : { waitMs: Math.min(reply.waitMs, MAX_TOLD_WAIT_MS) },
    });
  }
}

/** The event, and the tokens without text that came before it. */
function withHeld({ inbox }: OpenJob, event: TokensEvent): TokensEvent {
  const held = inbox.takeHeld();
  if (held.tokenCount === 0) return event;
  const logprobs = [...(held.logprobs ?? []), ...(event.logprobs ?? [])];
  const tokenCount = held.tokenCount + event.tokenCount;
  return { type: 'tokens', text: event.text, tokenCount, ...(logprobs.length === 0 ? {} : { logprobs }) };
}

function endedByPeer(error: unknown): boolean {
  return error instanceof PeerRefusal;
}
