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

export type JobEvent =
  | TokensEvent
  | {
      readonly type: 'end';
      readonly reason: FinishReason;
      readonly usage: Usage;
      readonly measurement: JobMeasurement | undefined;
    };

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
  /** The peer said so or was told so; what it says from then on is not heard. */
  isOver: boolean;
  wake: (() => void) | undefined;
  readonly firstStallMs: number;
  /** When the last delta came, how many came, and how long the pauses between them are at most, by and by forgotten. */
  lastDeltaMs: number;
  deltas: number;
  longPauseMs: number;
  cancelStall: () => void;
  /** The first word counts. */
  settle(outcome: JobOutcome): void;
}

interface OpenEmbed {
  readonly line: JobLine;
  resolve(end: PeerMessageOf<'embed-end'>): void;
  reject(error: Error): void;
}

/** No token for this long behind the first one, until the pace is known, and the peer counts as lost; … */
const SECOND_TOKEN_STALL_MS = 10_000;
const KNOWN_PACE_DELTAS = 8;
/** … then some times the longest pause it made lately, which is a p99 that costs nothing to keep. */
const STALL_PAUSES = 4;
const SHORTEST_STALL_MS = 2_000;
const PAUSE_DECAY = 0.99;
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
   * Yields token events and one `end`.
   * @param stallMs without a first token for so long the peer counts as lost
   * @param onOutcome called once, when the job is over: when its end arrives, whether anybody reads on or not.
   * @throws MeshError the provider's refusal, `peer_lost`, or `cancelled` by the signal. Leaving the loop cancels.
   */
  async *run(
    line: JobLine,
    job: JobRequest,
    signal: AbortSignal,
    onOutcome: (outcome: JobOutcome) => void = () => {},
    stallMs = MAX_STALL_MS,
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
      isOver: false,
      wake: undefined,
      firstStallMs: stallMs,
      lastDeltaMs: 0,
      deltas: 0,
      longPauseMs: 0,
      cancelStall() {},
      settle(outcome) {
        if (!settled) onOutcome(outcome);
        settled = true;
      },
    };
    this.#jobs.set(job.jobId, open);
    const onAbort = () => this.#fail(open, MeshError.cancelled());
    signal.addEventListener('abort', onAbort);
    let ended = false;
    try {
      this.#expectNews(open);
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

  /** The line to a peer is gone: its answers end here. */
  handleLineClosed(remote: PeerId, reason: string): void {
    for (const job of this.#jobs.values()) {
      if (job.line.remote === remote && !job.line.isOpen) this.#fail(job, MeshError.peerLost(reason));
    }
    for (const { line, reject } of this.#embeds.values()) {
      if (line.remote === remote && !line.isOpen) reject(MeshError.peerLost(reason));
    }
  }

  #receive(job: OpenJob, delta: PeerMessageOf<'token-delta'>): void {
    if (delta.firstToken + delta.tokenCount <= job.receivedTokens) return;
    if (delta.firstToken !== job.receivedTokens) {
      this.#fail(job, MeshError.peerLost(`it sent token ${delta.firstToken} after ${job.receivedTokens}`));
      return;
    }
    job.receivedTokens += delta.tokenCount;
    this.#notePause(job);
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
    const credited = Math.min(job.receivedTokens, job.receivedBytes);
    job.timer.tokens(this.#clock.monotonicMs(), credited - job.creditedTokens);
    job.creditedTokens = credited;
    this.#push(job, {
      type: 'tokens',
      text,
      tokenCount: delta.tokenCount,
      ...(delta.logprobs === undefined || !job.wantsLogprobs ? {} : { logprobs: delta.logprobs }),
    });
    if (job.inbox.isFull) this.#fail(job, MeshError.cancelled());
  }

  #end(job: OpenJob, { reason, usage }: PeerMessageOf<'job-end'>): void {
    job.isOver = true;
    job.cancelStall();
    const measurement = job.timer.measurement();
    job.settle(finishedOutcome(measurement, { usage }));
    // What came was counted here; more is only claimed.
    const completionTokens = Math.min(usage.completionTokens, job.receivedTokens);
    this.#push(job, { type: 'end', reason, usage: { ...usage, completionTokens }, measurement });
  }

  #notePause(job: OpenJob): void {
    const nowMs = this.#clock.monotonicMs();
    if (job.deltas > 0) job.longPauseMs = Math.max(job.longPauseMs * PAUSE_DECAY, nowMs - job.lastDeltaMs);
    job.lastDeltaMs = nowMs;
    job.deltas += 1;
    this.#expectNews(job);
  }

  #expectNews(job: OpenJob): void {
    const stallMs = stallMsOf(job);
    job.cancelStall();
    job.cancelStall = this.#clock.after(stallMs, () =>
      this.#fail(job, MeshError.peerLost(`silent for ${Math.round(stallMs / 1000)} s`)),
    );
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
    job.cancelStall();
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

function stallMsOf({ deltas, longPauseMs, firstStallMs }: OpenJob): number {
  if (deltas === 0) return firstStallMs;
  if (deltas < KNOWN_PACE_DELTAS) return SECOND_TOKEN_STALL_MS;
  return Math.min(MAX_STALL_MS, Math.max(SHORTEST_STALL_MS, STALL_PAUSES * longPauseMs));
}

function endedByPeer(error: unknown): boolean {
  return error instanceof PeerRefusal;
}
