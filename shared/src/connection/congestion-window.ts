/**
 * How many bytes of a link's streams may be under way. A channel is one ordered queue: a message waits behind every byte
 * of a stream that was handed over before it, and node-datachannel's own buffer does not even tell of its first MiB. So
 * the receiver acknowledges what came, and the time from sending to acknowledgement rules how much is sent ahead: more
 * while the queue on the way costs less than half the shortest time ever seen, less when it costs more (as TCP Vegas and
 * LEDBAT do it). The shortest of the whole life counts, because a window that has filled the queue can't see it empty.
 */
import { MeshError } from '../errors.ts';
import { FIRST_FLIGHT_BYTES, MAX_FLIGHT_BYTES } from '../limits.ts';

/** Of the shortest time to an acknowledgement. */
const QUEUE_SHARE = 0.5;
/** Event loops are not more punctual than this. */
const QUEUE_SLACK_MS = 0.5;
const SHRINK = 0.8;
/** Of what was acknowledged, once the queue has been seen. */
const GROWTH = 1 / 8;
/** The receiver acknowledges whenever so much came, and the sender always sends so much: so none waits for the other. */
export const ACKNOWLEDGE_BYTES = FIRST_FLIGHT_BYTES / 2;

interface Flight {
  /** Sent in all, this one included. */
  readonly upToBytes: number;
  readonly sentMs: number;
}

export class CongestionWindow {
  #limitBytes = FIRST_FLIGHT_BYTES;
  #sentBytes = 0;
  #acknowledgedBytes = 0;
  readonly #flights: Flight[] = [];
  #leastMs = Number.POSITIVE_INFINITY;
  /** Until the queue is seen for the first time the window doubles with each round trip. */
  #sawQueue = false;
  #nextShrinkMs = 0;

  get limitBytes(): number {
    return this.#limitBytes;
  }

  get isFull(): boolean {
    return this.#sentBytes - this.#acknowledgedBytes >= this.#limitBytes;
  }

  handleSent(bytes: number, nowMs: number): void {
    this.#sentBytes += bytes;
    this.#flights.push({ upToBytes: this.#sentBytes, sentMs: nowMs });
  }

  /**
   * `share`: of the queue that streams alone may cause, above 0, at most 1.
   * @throws MeshError `protocol_violation` when so much was never sent.
   */
  handleAcknowledged(bytes: number, nowMs: number, share: number): void {
    if (this.#acknowledgedBytes + bytes > this.#sentBytes) {
      throw MeshError.protocolViolation('it acknowledges more bytes than were sent');
    }
    const wasFull = this.isFull;
    this.#acknowledgedBytes += bytes;
    const arrived = this.#flights.findIndex(({ upToBytes }) => upToBytes > this.#acknowledgedBytes);
    const newest = this.#flights.splice(0, arrived === -1 ? this.#flights.length : arrived).at(-1);
    if (newest === undefined) return;
    const tookMs = nowMs - newest.sentMs;
    this.#leastMs = Math.min(this.#leastMs, tookMs);
    const queueMs = tookMs - this.#leastMs;
    const mostMs = share * Math.max(QUEUE_SLACK_MS, QUEUE_SHARE * this.#leastMs);
    if (queueMs > mostMs) this.#shrink(tookMs, nowMs, share < 1 ? ACKNOWLEDGE_BYTES : FIRST_FLIGHT_BYTES);
    else if (wasFull) this.#grow(bytes);
  }

  /** At most once a round trip: what is acknowledged until then was sent before. */
  #shrink(tookMs: number, nowMs: number, leastBytes: number): void {
    this.#sawQueue = true;
    if (nowMs < this.#nextShrinkMs) return;
    this.#nextShrinkMs = nowMs + tookMs;
    this.#limitBytes = Math.max(leastBytes, this.#limitBytes * SHRINK);
  }

  #grow(bytes: number): void {
    this.#limitBytes = Math.min(MAX_FLIGHT_BYTES, this.#limitBytes + (this.#sawQueue ? bytes * GROWTH : bytes));
  }
}
