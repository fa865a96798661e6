/**
 * What a link sends, in frames and with back-pressure: past a high mark frames wait here and `ready()` holds the producer;
 * an end that does not read is given up before memory fills.
 */
import { MeshError } from '../errors.ts';
import { CHANNEL_HIGH_WATER_BYTES, CHANNEL_LOW_WATER_BYTES, MAX_OUTBOX_BYTES, UNREAD_TIMEOUT_MS } from '../limits.ts';
import type { Clock } from '../ports/clock.ts';
import type { Channel } from '../ports/transport.ts';
import { toFrames } from '../protocol/frames.ts';

export interface OutboxOptions {
  readonly channel: Channel;
  readonly clock: Clock;
  /** Once: nothing can be sent any more. */
  onFailure(error: MeshError): void;
}

const DRAIN_POLL_MS = 4;

export class Outbox {
  readonly #options: OutboxOptions;
  #state: 'open' | 'closed' = 'open';
  #frames: Uint8Array[] = [];
  #bytes = 0;
  #waiters: (() => void)[] = [];
  #cancelDrain: (() => void) | undefined;
  /** The channel's buffer when it last moved, and when that was. */
  #stalledAtBytes = -1;
  #movedMs = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  write(message: Uint8Array): void {
    const { channel } = this.#options;
    for (const frame of toFrames(message)) {
      if (this.#frames.length === 0 && channel.bufferedBytes() < CHANNEL_HIGH_WATER_BYTES) {
        if (!this.#transmit(frame)) return;
        continue;
      }
      this.#frames.push(frame);
      this.#bytes += frame.length;
    }
    if (this.#bytes > MAX_OUTBOX_BYTES) this.#failUnread();
    else if (this.#bytes > 0) this.#scheduleDrain();
  }

  /** Undefined while little waits, else resolves once the other end has read, or nothing can be sent any more. */
  ready(): Promise<void> | undefined {
    if (this.#bytes === 0) return undefined;
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Drops what waits. Idempotent. */
  close(): void {
    this.#state = 'closed';
    this.#cancelDrain?.();
    this.#cancelDrain = undefined;
    this.#frames = [];
    this.#bytes = 0;
    this.#releaseWaiters();
  }

  #scheduleDrain(): void {
    if (this.#cancelDrain !== undefined) return;
    this.#cancelDrain = this.#options.clock.after(DRAIN_POLL_MS, () => {
      this.#cancelDrain = undefined;
      this.#drain();
    });
  }

  #drain(): void {
    const { channel, clock } = this.#options;
    const bufferedBytes = channel.bufferedBytes();
    if (bufferedBytes !== this.#stalledAtBytes) {
      this.#stalledAtBytes = bufferedBytes;
      this.#movedMs = clock.monotonicMs();
    } else if (clock.monotonicMs() - this.#movedMs > UNREAD_TIMEOUT_MS) {
      this.#failUnread();
      return;
    }
    if (bufferedBytes <= CHANNEL_LOW_WATER_BYTES) {
      let sent = 0;
      while (channel.bufferedBytes() < CHANNEL_HIGH_WATER_BYTES) {
        const frame = this.#frames[sent];
        if (frame === undefined) break;
        if (!this.#transmit(frame)) return;
        this.#bytes -= frame.length;
        sent += 1;
      }
      this.#frames.splice(0, sent);
    }
    if (this.#bytes > 0) {
      this.#scheduleDrain();
    } else {
      this.#stalledAtBytes = -1;
      this.#releaseWaiters();
    }
  }

  /** A channel may close between its last event and this call. */
  #transmit(frame: Uint8Array): boolean {
    if (this.#state === 'closed') return false;
    try {
      this.#options.channel.send(frame);
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
