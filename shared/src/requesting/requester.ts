/**
 * The asking end of jobs: each an attempt at one peer, as an async iterable. Replies find their job by its id and by who
 * sent them.
 */
import { MeshError } from '../errors.ts';
import { UnreadTotal } from '../jobs/inbox.ts';
import type { JobReply } from '../jobs/job-sink.ts';
import { decodeVectors } from '../jobs/vectors.ts';
import { MAX_STALL_MS } from '../limits.ts';
import type { Clock } from '../ports/clock.ts';
import type { Embeddings } from '../ports/engine.ts';
import type { JobId, PeerId } from '../protocol/ids.ts';
import type { PeerMessageOf } from '../protocol/messages.ts';
import { IncomingAnswer, type JobEvent, type JobLine, type JobRequest, type JobWatch } from './incoming-answer.ts';
import { PeerRefusal } from './peer-refusal.ts';

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

interface OpenEmbed {
  readonly line: JobLine;
  resolve(end: PeerMessageOf<'embed-end'>): void;
  reject(error: Error): void;
}

export class Requester {
  readonly #clock: Clock;
  readonly #unread = new UnreadTotal();
  readonly #jobs = new Map<JobId, IncomingAnswer>();
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
    const answer = new IncomingAnswer({ clock: this.#clock, line, job, watch, unread: this.#unread });
    this.#jobs.set(job.jobId, answer);
    const onAbort = () => answer.cancel();
    signal.addEventListener('abort', onAbort);
    let failure: unknown;
    try {
      line.send({ type: 'job-start', ...job });
      for (let ended = false; !ended; ) {
        const event = await answer.next();
        ended = event.type === 'end';
        yield event;
      }
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      answer.close(failure);
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
        job.receive(reply);
        return;
      case 'job-end':
        job.end(reply);
        return;
      case 'job-error':
        job.refuse(new PeerRefusal(reply));
        return;
      case 'embed-end':
        return;
      default:
        reply satisfies never;
    }
  }

  /** An entry says that the peer is gone: whoever waits for its next word may ask another one. */
  handlePeerDoubted(remote: PeerId): void {
    for (const job of this.#jobs.values()) if (job.line.remote === remote) job.doubt(true);
  }

  /** A doubted peer has shown that it is there. */
  handlePeerThere(remote: PeerId): void {
    for (const job of this.#jobs.values()) if (job.line.remote === remote) job.doubt(false);
  }

  /** The line to a peer is gone: its answers end here. */
  handleLineClosed(remote: PeerId, reason: string): void {
    for (const job of this.#jobs.values()) {
      if (job.line.remote === remote && !job.line.isOpen) job.fail(MeshError.peerLost(reason));
    }
    for (const { line, reject } of this.#embeds.values()) {
      if (line.remote === remote && !line.isOpen) reject(MeshError.peerLost(reason));
    }
  }
}

function endedByPeer(error: unknown): boolean {
  return error instanceof PeerRefusal;
}
