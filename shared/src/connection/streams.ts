/**
 * The byte streams of one link: opening and answering by name, whose turn it is to send, and what the other end may ask
 * for. Streams take turns, frame by frame; messages of the link come before all of them.
 */
import { MeshError } from '../errors.ts';
import {
  FIRST_STREAM_WINDOW_BYTES,
  MAX_STREAM_NAME_CHARS,
  MAX_STREAM_WINDOWS_BYTES,
  MAX_STREAMS,
  MESSAGES_FLOW_MS,
  QUEUE_SHARE_BESIDE_MESSAGES,
  STREAM_OPEN_TIMEOUT_MS,
  STREAM_REST_MS,
} from '../limits.ts';
import type { Clock } from '../ports/clock.ts';
import { readStreamAck, readStreamData, streamAckFrame } from '../protocol/frames.ts';
import type { StreamMessage } from '../protocol/stream-messages.ts';
import { ACKNOWLEDGE_BYTES, CongestionWindow } from './congestion-window.ts';
import type { Outbox } from './outbox.ts';
import { type ByteStream, Stream } from './stream.ts';
import { streamCancelled, streamRefused, streamUnanswered, tooManyStreams } from './stream-errors.ts';

/** A stream that the other end wants. Whoever answers neither way within `STREAM_OPEN_TIMEOUT_MS` has refused it. */
export interface StreamOffer {
  readonly name: string;
  /** @throws MeshError `closed` when it was answered before, or withdrawn. */
  accept(): ByteStream;
  /** `retryable`: the same may be accepted later. Does nothing when it was answered before. */
  refuse(reason: string, retryable?: boolean): void;
}

export interface StreamsOptions {
  /** Whose streams have odd numbers. */
  readonly initiator: boolean;
  readonly clock: Clock;
  readonly outbox: Outbox;
  /** Whether the other end has announced streams. */
  isKnown(): boolean;
  send(message: StreamMessage): void;
  onOffer(offer: StreamOffer): void;
}

interface Opening {
  readonly name: string;
  readonly cancelTimer: () => void;
  settle(outcome: ByteStream | MeshError): void;
}

/** For windows beyond the first of every stream. */
const SPARE_WINDOW_BYTES = MAX_STREAM_WINDOWS_BYTES - 2 * MAX_STREAMS * FIRST_STREAM_WINDOW_BYTES;

export class Streams {
  readonly #options: StreamsOptions;
  readonly #open = new Map<number, Stream>();
  /** Asked for, by this end and by the other. */
  readonly #openings = new Map<number, Opening>();
  readonly #offers = new Map<number, () => void>();
  /** Those that have bytes to send and a window for them, the next one first. */
  readonly #sendable = new Set<Stream>();
  readonly #congestion = new CongestionWindow();
  #lastOwnId: number;
  #lastOtherId = 0;
  #reservedBytes = 0;
  #unacknowledgedBytes = 0;
  /** What may come for streams that this end broke off. */
  #lateBytes = 0;
  #lastMessageMs = Number.NEGATIVE_INFINITY;
  #isPumping = false;
  #cancelRest: (() => void) | undefined;
  #isClosed = false;

  constructor(options: StreamsOptions) {
    this.#options = options;
    this.#lastOwnId = options.initiator ? -1 : 0;
  }

  get isEmpty(): boolean {
    return this.#open.size === 0;
  }

  /**
   * Resolves once the other end has accepted.
   * @throws MeshError `unsupported` or `peer_busy` when it refused, `connection_failed` when it did not answer, `cancelled`.
   */
  async open(name: string, signal?: AbortSignal): Promise<ByteStream> {
    if (signal?.aborted) throw streamCancelled();
    if (name.length === 0 || name.length > MAX_STREAM_NAME_CHARS) {
      throw new RangeError(`The name of a stream has 1 to ${MAX_STREAM_NAME_CHARS} characters.`);
    }
    if (this.#openings.size + this.#count(true) >= MAX_STREAMS) throw tooManyStreams();
    this.#lastOwnId += 2;
    const streamId = this.#lastOwnId;
    return new Promise((resolve, reject) => {
      const giveUp = (error: MeshError) => {
        this.#options.send({ type: 'stream-reset', streamId, reason: 'it is not wanted any more' });
        // It may have been accepted, and filled, already.
        this.#lateBytes += FIRST_STREAM_WINDOW_BYTES;
        this.#openings.get(streamId)?.settle(error);
      };
      const onAbort = () => {
        if (this.#openings.has(streamId)) giveUp(streamCancelled());
        else this.#open.get(streamId)?.abort(streamCancelled(), 'it was cancelled');
      };
      this.#openings.set(streamId, {
        name,
        cancelTimer: this.#options.clock.after(STREAM_OPEN_TIMEOUT_MS, () => giveUp(streamUnanswered(name))),
        settle: (outcome) => {
          this.#openings.get(streamId)?.cancelTimer();
          this.#openings.delete(streamId);
          if (outcome instanceof MeshError) {
            signal?.removeEventListener('abort', onAbort);
            reject(outcome);
            return;
          }
          void outcome.closed.then(() => signal?.removeEventListener('abort', onAbort));
          resolve(outcome);
        },
      });
      signal?.addEventListener('abort', onAbort);
      this.#options.send({ type: 'stream-open', streamId, name, windowBytes: FIRST_STREAM_WINDOW_BYTES });
    });
  }

  /** @throws MeshError `protocol_violation`. */
  handleMessage(message: StreamMessage): void {
    const { streamId } = message;
    if (message.type === 'stream-open') {
      this.#handleOpen(streamId, message.name, message.windowBytes);
      return;
    }
    if (!this.#wasOpened(streamId)) throw MeshError.protocolViolation(`there never was a stream ${streamId}`);
    const stream = this.#open.get(streamId);
    switch (message.type) {
      case 'stream-accept': {
        const opening = this.#openings.get(streamId);
        // Given up while the answer was under way.
        if (opening === undefined) return;
        opening.settle(this.#start(streamId, opening.name, message.windowBytes));
        return;
      }
      case 'stream-refuse': {
        const opening = this.#openings.get(streamId);
        opening?.settle(streamRefused(opening.name, message.reason, message.retryable));
        return;
      }
      case 'stream-window':
        stream?.handleWindow(message.bytes);
        return;
      case 'stream-end':
        stream?.handleEnd();
        return;
      case 'stream-reset':
        this.#offers.get(streamId)?.();
        stream?.handleReset(message.reason);
        return;
    }
  }

  /** @throws MeshError `protocol_violation`. */
  handleData(frame: Uint8Array): void {
    const { streamId, payload } = readStreamData(frame);
    this.#acknowledge(frame.length);
    const stream = this.#open.get(streamId);
    if (stream !== undefined) {
      stream.handleData(payload);
      return;
    }
    if (payload.length > this.#lateBytes) {
      throw MeshError.protocolViolation(`bytes came for stream ${streamId}, which is not open`);
    }
    this.#lateBytes -= payload.length;
  }

  /** @throws MeshError `protocol_violation`. */
  handleAck(frame: Uint8Array): void {
    const { clock } = this.#options;
    const messagesFlow = clock.monotonicMs() - this.#lastMessageMs < MESSAGES_FLOW_MS;
    const share = messagesFlow ? QUEUE_SHARE_BESIDE_MESSAGES : 1;
    this.#congestion.handleAcknowledged(readStreamAck(frame), clock.monotonicMs(), share);
    if (messagesFlow) this.#cancelRest ??= clock.after(STREAM_REST_MS, () => this.#endRest());
    else this.pump();
  }

  /** Sends while there is room: called whenever there may be. */
  pump(): void {
    if (this.#isPumping || this.#cancelRest !== undefined) return;
    this.#isPumping = true;
    const { outbox, clock } = this.#options;
    for (const stream of this.#sendable) {
      if (!outbox.hasBulkRoom || this.#congestion.isFull) break;
      this.#sendable.delete(stream);
      const frame = stream.takeFrame();
      if (frame === undefined) continue;
      this.#congestion.handleSent(frame.length, clock.monotonicMs());
      if (!outbox.writeBulk(frame)) break;
      // It joins the end of the line, which this loop reaches.
      stream.handleSent();
    }
    this.#isPumping = false;
  }

  /** A message of a job was sent or came: more will follow, and streams leave them room. */
  noteMessage(): void {
    this.#lastMessageMs = this.#options.clock.monotonicMs();
  }

  /** The link is gone, and all its streams with it. Idempotent. */
  close(error: MeshError): void {
    this.#isClosed = true;
    this.#cancelRest?.();
    for (const opening of [...this.#openings.values()]) opening.settle(error);
    for (const withdraw of [...this.#offers.values()]) withdraw();
    for (const stream of [...this.#open.values()]) stream.handleLinkClosed(error);
  }

  #handleOpen(streamId: number, name: string, windowBytes: number): void {
    if (!this.#options.isKnown()) throw MeshError.protocolViolation('it did not announce streams');
    if (this.#isOwn(streamId) || streamId <= this.#lastOtherId) {
      throw MeshError.protocolViolation(`stream ${streamId} can't be opened by it, or not any more`);
    }
    this.#lastOtherId = streamId;
    const refuse = (reason: string, retryable: boolean) =>
      this.#options.send({ type: 'stream-refuse', streamId, reason: reason.slice(0, 200), retryable });
    if (this.#offers.size + this.#count(false) >= MAX_STREAMS) {
      refuse('too many streams are open', true);
      return;
    }
    const cancelTimer = this.#options.clock.after(STREAM_OPEN_TIMEOUT_MS, () => offer.refuse('nobody answered', true));
    const settle = () => {
      cancelTimer();
      return this.#offers.delete(streamId);
    };
    const offer: StreamOffer = {
      name,
      accept: () => {
        if (!settle()) throw MeshError.closed('offer of a stream');
        this.#options.send({ type: 'stream-accept', streamId, windowBytes: FIRST_STREAM_WINDOW_BYTES });
        // The link may have been lost by sending: nothing would ever end the stream.
        if (this.#isClosed) throw MeshError.closed('link');
        return this.#start(streamId, name, windowBytes);
      },
      refuse: (reason, retryable = false) => {
        if (settle()) refuse(reason, retryable);
      },
    };
    this.#offers.set(streamId, settle);
    this.#options.onOffer(offer);
  }

  #start(id: number, name: string, windowBytes: number): Stream {
    const stream = new Stream({
      id,
      name,
      windowBytes,
      clock: this.#options.clock,
      send: (message) => this.#options.send(message),
      onSendable: (sendable) => {
        this.#sendable.add(sendable);
        this.pump();
      },
      reserve: (bytes) => {
        if (this.#reservedBytes + bytes > SPARE_WINDOW_BYTES) return false;
        this.#reservedBytes += bytes;
        return true;
      },
      onClosed: (closed, lateBytes) => {
        this.#open.delete(closed.id);
        this.#sendable.delete(closed);
        this.#reservedBytes -= closed.reservedBytes;
        this.#lateBytes += lateBytes;
      },
    });
    this.#open.set(id, stream);
    return stream;
  }

  #endRest(): void {
    this.#cancelRest = undefined;
    this.pump();
  }

  #acknowledge(bytes: number): void {
    this.#unacknowledgedBytes += bytes;
    if (this.#unacknowledgedBytes < ACKNOWLEDGE_BYTES) return;
    this.#options.outbox.writeFrame(streamAckFrame(this.#unacknowledgedBytes));
    this.#unacknowledgedBytes = 0;
  }

  #isOwn(streamId: number): boolean {
    return (streamId % 2 === 1) === this.#options.initiator;
  }

  #wasOpened(streamId: number): boolean {
    return streamId <= (this.#isOwn(streamId) ? this.#lastOwnId : this.#lastOtherId);
  }

  #count(own: boolean): number {
    let count = 0;
    for (const id of this.#open.keys()) if (this.#isOwn(id) === own) count += 1;
    return count;
  }
}
