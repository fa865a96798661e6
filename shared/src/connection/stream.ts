/**
 * One byte stream of a link, both directions. Bytes that are written wait here until the other end's window, the link's
 * congestion window and the channel have room; bytes that come wait in the inbox until they are read.
 */
import { MeshError } from '../errors.ts';
import {
  FIRST_STREAM_WINDOW_BYTES,
  MAX_STREAM_UNSENT_BYTES,
  STREAM_LOW_WATER_BYTES,
  STREAM_STALL_TIMEOUT_MS,
} from '../limits.ts';
import type { Clock } from '../ports/clock.ts';
import { STREAM_PIECE_BYTES, streamDataFrame } from '../protocol/frames.ts';
import type { StreamMessage } from '../protocol/stream-messages.ts';
import { ByteQueue } from './byte-queue.ts';
import { StallTimer } from './stall-timer.ts';
import { STREAM_STALLED, streamResetHere, streamResetThere, writtenTooMuch } from './stream-errors.ts';
import { StreamInbox } from './stream-inbox.ts';

/** A stream as its users see it. Leaving a loop over it does not end it: the next loop goes on. */
export interface ByteStream extends AsyncIterable<Uint8Array> {
  readonly name: string;
  /**
   * Queues the bytes, which may be reused at once.
   * @throws MeshError `closed` after `end` or when the stream is over, `payload_too_large` beyond `MAX_STREAM_UNSENT_BYTES`.
   */
  write(bytes: Uint8Array): void;
  /** Undefined when the writer may go on, else resolves once it may, or when the stream is over. */
  ready(): Promise<void> | undefined;
  /** Nothing more will be written; what was written still arrives, and reading goes on. Idempotent. */
  end(): void;
  /** Drops what waits, at both ends. Idempotent. */
  reset(reason: string): void;
  /**
   * The next bytes, in pieces of any size; undefined after the other end's `end`. One call at a time.
   * @throws MeshError why the stream broke off.
   */
  read(): Promise<Uint8Array | undefined>;
  /** Resolves, never rejects: undefined when both ends ended it and all was read, else why it broke off. */
  readonly closed: Promise<MeshError | undefined>;
}

export interface StreamOptions {
  readonly id: number;
  readonly name: string;
  readonly clock: Clock;
  /** What the other end takes at first. */
  readonly windowBytes: number;
  send(message: StreamMessage): void;
  /** It has bytes that its window lets pass. */
  onSendable(stream: Stream): void;
  reserve(bytes: number): boolean;
  /** Once, last. `lateBytes`: what may still come although this end does not want it any more. */
  onClosed(stream: Stream, lateBytes: number): void;
}

export class Stream implements ByteStream {
  readonly id: number;
  readonly name: string;
  readonly closed: Promise<MeshError | undefined>;
  readonly #options: StreamOptions;
  readonly #inbox: StreamInbox;
  readonly #unsent = new ByteQueue();
  readonly #stall: StallTimer;
  /** `ending`: what was written before the end is still to be sent. */
  #sending: 'open' | 'ending' | 'ended' = 'open';
  #isOver = false;
  #windowBytes: number;
  #sentBytes = 0;
  #waiters: (() => void)[] = [];
  #settle: (error: MeshError | undefined) => void = () => {};

  constructor(options: StreamOptions) {
    this.id = options.id;
    this.name = options.name;
    this.#options = options;
    this.#windowBytes = options.windowBytes;
    this.closed = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#inbox = new StreamInbox({
      grant: (bytes) => options.send({ type: 'stream-window', streamId: this.id, bytes }),
      reserve: options.reserve,
    });
    this.#stall = new StallTimer({
      clock: options.clock,
      timeoutMs: STREAM_STALL_TIMEOUT_MS,
      isWaiting: () => this.#unsent.bytes + this.#inbox.unreadBytes > 0,
      position: () => this.#sentBytes + this.#inbox.readBytes,
      onStall: () => this.reset(STREAM_STALLED),
    });
  }

  /** What its window took of the link's beyond the first. */
  get reservedBytes(): number {
    return this.#inbox.windowBytes - FIRST_STREAM_WINDOW_BYTES;
  }

  write(bytes: Uint8Array): void {
    if (this.#isOver || this.#sending !== 'open') throw MeshError.closed('stream');
    if (this.#unsent.bytes + bytes.length > MAX_STREAM_UNSENT_BYTES) throw writtenTooMuch();
    if (bytes.length === 0) return;
    this.#unsent.push(bytes);
    this.#offer();
    if (this.#unsent.bytes > 0) this.#stall.start();
  }

  ready(): Promise<void> | undefined {
    if (this.#isOver || this.#unsent.bytes <= STREAM_LOW_WATER_BYTES) return undefined;
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  end(): void {
    if (this.#isOver || this.#sending !== 'open') return;
    this.#sending = 'ending';
    this.#finishSending();
  }

  reset(reason: string): void {
    this.abort(streamResetHere(reason), reason);
  }

  /** A reset for a cause that its own users hear of. */
  abort(error: MeshError, reason: string): void {
    if (this.#isOver) return;
    const lateBytes = this.#inbox.grantedBytes;
    this.#options.send({ type: 'stream-reset', streamId: this.id, reason: reason.slice(0, 200) });
    this.#close(error, lateBytes);
  }

  async read(): Promise<Uint8Array | undefined> {
    const bytes = await this.#inbox.read();
    this.#finish();
    return bytes;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (let bytes = await this.read(); bytes !== undefined; bytes = await this.read()) yield bytes;
  }

  /** The next frame, if there is one that the window lets pass: a whole one, or all that waits. */
  takeFrame(): Uint8Array | undefined {
    if (!this.#isSendable()) return undefined;
    const { frame, payload } = streamDataFrame(this.id, Math.min(STREAM_PIECE_BYTES, this.#unsent.bytes));
    this.#unsent.takeInto(payload);
    this.#windowBytes -= payload.length;
    this.#sentBytes += payload.length;
    if (this.#unsent.bytes <= STREAM_LOW_WATER_BYTES) this.#releaseWaiters();
    return frame;
  }

  /** After a frame of it has left. */
  handleSent(): void {
    this.#offer();
    this.#finishSending();
  }

  /** @throws MeshError `protocol_violation`; then the stream is over. */
  handleData(payload: Uint8Array): void {
    try {
      this.#inbox.push(payload);
    } catch (error) {
      this.reset('more bytes came than its window allows');
      throw error;
    }
    if (this.#inbox.unreadBytes > 0) this.#stall.start();
  }

  handleWindow(bytes: number): void {
    // Whatever it grants, this end sends no more than its user writes.
    this.#windowBytes += bytes;
    this.#offer();
  }

  handleEnd(): void {
    this.#inbox.end();
    this.#finish();
  }

  handleReset(reason: string): void {
    this.#close(streamResetThere(reason), 0);
  }

  /** The link is gone. */
  handleLinkClosed(error: MeshError): void {
    this.#close(error, 0);
  }

  #isSendable(): boolean {
    const { bytes } = this.#unsent;
    return !this.#isOver && bytes > 0 && this.#windowBytes >= Math.min(STREAM_PIECE_BYTES, bytes);
  }

  #offer(): void {
    if (this.#isSendable()) this.#options.onSendable(this);
  }

  #finishSending(): void {
    if (this.#isOver || this.#sending !== 'ending' || this.#unsent.bytes > 0) return;
    this.#sending = 'ended';
    this.#options.send({ type: 'stream-end', streamId: this.id });
    this.#finish();
  }

  #finish(): void {
    if (this.#sending === 'ended' && this.#inbox.isDone) this.#close(undefined, 0);
  }

  #close(error: MeshError | undefined, lateBytes: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stall.stop();
    this.#unsent.clear();
    if (error !== undefined) this.#inbox.fail(error);
    this.#releaseWaiters();
    this.#options.onClosed(this, lateBytes);
    this.#settle(error);
  }

  #releaseWaiters(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const release of waiters) release();
  }
}
