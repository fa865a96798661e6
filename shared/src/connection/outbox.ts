/**
 * What a link sends, in frames and with back-pressure. Messages come first: past a high mark their frames wait here and
 * `ready()` holds the producer, until the channel tells that it drained. Bytes of streams are taken only while no message
 * waits and the channel holds little. An end that does not read is given up before memory fills.
 */
import { MeshError } from '../errors.ts';
import {
  CHANNEL_HIGH_WATER_BYTES,
  CHANNEL_LOW_WATER_BYTES,
  MAX_OUTBOX_BYTES,
  MAX_PACKED_MESSAGES,
  MAX_STREAM_FRAME_BYTES,
  UNREAD_TIMEOUT_MS,
} from '../limits.ts';
import type { Clock } from '../ports/clock.ts';
import type { Channel } from '../ports/transport.ts';
import { packedBytes, packFrame, toFrames } from '../protocol/frames.ts';
import { StallTimer } from './stall-timer.ts';

export interface OutboxOptions {
  readonly channel: Channel;
  readonly clock: Clock;
  /** Nothing waits here and the channel drained: `hasBulkRoom` may have become true. */
  onRoom(): void;
  /** Once: nothing can be sent any more. */
  onFailure(error: MeshError): void;
}

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #stall: StallTimer;
  #state: 'open' | 'closed' = 'open';
  #frames: Uint8Array[] = [];
  #bytes = 0;
  #transmittedBytes = 0;
  #waiters: (() => void)[] = [];
  /** What is said within this turn, to leave in one frame: a frame costs as much as writing and checking ten messages. */
  #pack: Uint8Array[] = [];
  #packBytes = 1;
  /** Whether the other end takes frames of several messages. */
  packs = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#stall = new StallTimer({
      clock: options.clock,
      timeoutMs: UNREAD_TIMEOUT_MS,
      isWaiting: () => this.#bytes > 0,
      // What has left the channel: a buffer that drains and is filled again is often as full as before.
      position: () => this.#transmittedBytes - options.channel.bufferedBytes(),
      onStall: () => this.#failUnread(),
    });
  }

  write(message: Uint8Array): void {
    if (this.#state === 'closed') return;
    const bytes = packedBytes(message);
    const fits = this.packs && 1 + bytes <= MAX_STREAM_FRAME_BYTES;
    if (!fits || this.#packBytes + bytes > MAX_STREAM_FRAME_BYTES || this.#pack.length === MAX_PACKED_MESSAGES) {
      this.flush();
    }
    if (!fits) {
      this.#writeAlone(message);
      return;
    }
    if (this.#pack.length === 0) this.#options.clock.soon(() => this.flush());
    this.#pack.push(message);
    this.#packBytes += bytes;
  }

  /** Sends what was written in this turn without waiting for its end. */
  flush(): void {
    const [first, ...others] = this.#pack;
    if (first === undefined) return;
    const frame = others.length === 0 ? undefined : packFrame(this.#pack);
    this.#pack = [];
    this.#packBytes = 1;
    if (frame === undefined) this.#writeAlone(first);
    else this.writeFrame(frame);
  }

  #writeAlone(message: Uint8Array): void {
    for (const frame of toFrames(message)) if (!this.#push(frame)) return;
    this.#check();
  }

  /** One frame that is no bulk: its turn is that of a message. */
  writeFrame(frame: Uint8Array): void {
    if (this.#push(frame)) this.#check();
  }

  get hasBulkRoom(): boolean {
    return (
      this.#state === 'open' && this.#bytes === 0 && this.#options.channel.bufferedBytes() <= CHANNEL_LOW_WATER_BYTES
    );
  }

  /** For a frame of a stream, while there is room. False when the channel is gone. */
  writeBulk(frame: Uint8Array): boolean {
    this.flush();
    return this.#transmit(frame);
  }

  /** Undefined while little waits, else resolves once the other end has read, or nothing can be sent any more. */
  ready(): Promise<void> | undefined {
    if (this.#bytes === 0) return undefined;
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** The channel tells that it has drained. What waits here waits for that: it holds more than its low mark. */
  handleDrain(): void {
    const { channel, onRoom } = this.#options;
    if (this.#state === 'closed') return;
    let sent = 0;
    while (channel.bufferedBytes() < CHANNEL_HIGH_WATER_BYTES) {
      const frame = this.#frames[sent];
      if (frame === undefined) break;
      if (!this.#transmit(frame)) return;
      this.#bytes -= frame.length;
      sent += 1;
    }
    this.#frames.splice(0, sent);
    if (this.#bytes > 0) return;
    this.#releaseWaiters();
    onRoom();
  }

  /** Drops what waits. Idempotent. */
  close(): void {
    this.#state = 'closed';
    this.#stall.stop();
    this.#frames = [];
    this.#bytes = 0;
    this.#pack = [];
    this.#packBytes = 1;
    this.#releaseWaiters();
  }

  /** False when the channel is gone. */
  #push(frame: Uint8Array): boolean {
    if (this.#state === 'closed') return false;
    if (this.#frames.length === 0 && this.#options.channel.bufferedBytes() < CHANNEL_HIGH_WATER_BYTES) {
      return this.#transmit(frame);
    }
    this.#frames.push(frame);
    this.#bytes += frame.length;
    return true;
  }

  #check(): void {
    if (this.#bytes > MAX_OUTBOX_BYTES) this.#failUnread();
    else if (this.#bytes > 0) this.#stall.start();
  }

  /** A channel may close between its last event and this call. */
  #transmit(frame: Uint8Array): boolean {
    if (this.#state === 'closed') return false;
    try {
      this.#options.channel.send(frame);
      this.#transmittedBytes += frame.length;
      return true;
    } catch (error) {
      this.#options.onFailure(MeshError.connectionFailed('it closed while sending', error));
      return false;
    }
  }

  #failUnread(): void {
    this.#options.onFailure(MeshError.connectionFailed('the peer does not read what it asked for'));
  }

  #releaseWaiters(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const release of waiters) release();
  }
}
