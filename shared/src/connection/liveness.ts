/**
 * Whether the other end of an open link is still there, and how far away: heartbeats, which measure the round trip, and the
 * probe of a peer that the entry takes for gone. Pings go out and pongs come in by the link's own messages.
 */
import { MeshError } from '../errors.ts';
import { HEARTBEAT_MS, SILENCE_TIMEOUT_MS } from '../limits.ts';
import type { Clock } from '../ports/clock.ts';
import type { FrameKind } from '../protocol/frames.ts';

export interface LivenessOptions {
  readonly clock: Clock;
  ping(id: number): void;
  /** The other end has answered a probe. */
  onProbeAnswered?(): void;
  /** The other end is gone. */
  onLost(error: MeshError): void;
}

/** A peer that the entry takes for gone has this time for an answer, … */
const PROBE_MS = 150;
const PROBE_ROUND_TRIPS = 4;
/** … and more as long as it is heard from this often. Heartbeats count from 1. */
const PROBE_SILENCE_MS = 100;
/** … or, where streams fill a slow line and its answer waits behind their bytes, twice as often as those come. */
const PROBE_STREAM_PAUSES = 2;
const MAX_PROBE_SILENCE_MS = 1_000;
const PROBE_ID = 0;
/** The round trip is the least of the last few, as in BBR: what a busy event loop adds is not the network's. */
const RTT_SAMPLES = 8;
/** The first pings follow each other faster, since a link is busiest while it opens. */
const FIRST_HEARTBEATS_MS = [100, 400];

export class Liveness {
  readonly #options: LivenessOptions;
  readonly #rttSamplesMs: number[] = [];
  #stopped = false;
  #cancelHeartbeat: (() => void) | undefined;
  #cancelProbe: (() => void) | undefined;
  #lastHeardMs = 0;
  #lastStreamFrameMs = Number.NEGATIVE_INFINITY;
  /** Between the last two frames of streams. */
  #streamPauseMs = 0;
  #pingId = 0;
  #pingSentMs: number | undefined;

  constructor(options: LivenessOptions) {
    this.#options = options;
  }

  /** Round trip; null until the first heartbeat came back. */
  get rttMs(): number | null {
    return this.#rttSamplesMs.length === 0 ? null : Math.min(...this.#rttSamplesMs);
  }

  /** From the moment that the link is open. */
  start(): void {
    this.#beat();
  }

  /** A frame came, whatever is in it. */
  handleFrame(kind: FrameKind): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#lastHeardMs = nowMs;
    if (kind === 'message') return;
    this.#streamPauseMs = nowMs - this.#lastStreamFrameMs;
    this.#lastStreamFrameMs = nowMs;
  }

  handlePong(id: number): void {
    if (id === PROBE_ID) this.#endProbe();
    else this.#measure(id);
  }

  /**
   * The entry says that the peer is gone: unless it answers at once, it is. What it says meanwhile gives it time, but does
   * not count as the answer: it may have been on its way when the peer was killed.
   */
  probe(): void {
    this.#options.ping(PROBE_ID);
    if (this.#stopped) return;
    this.#cancelProbe?.();
    const patienceMs = PROBE_MS + PROBE_ROUND_TRIPS * (this.rttMs ?? 0);
    this.#cancelProbe = this.#options.clock.after(patienceMs, () => this.#judge());
  }

  #endProbe(): void {
    if (this.#cancelProbe === undefined) return;
    this.#cancelProbe();
    this.#cancelProbe = undefined;
    this.#options.onProbeAnswered?.();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelHeartbeat?.();
    this.#cancelProbe?.();
  }

  #beat(): void {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#lastHeardMs > SILENCE_TIMEOUT_MS) {
      this.#options.onLost(MeshError.connectionFailed('the peer fell silent'));
      return;
    }
    this.#pingId += 1;
    this.#pingSentMs = nowMs;
    this.#options.ping(this.#pingId);
    // A ping that can't be sent may have ended the link.
    if (this.#stopped) return;
    const pauseMs = FIRST_HEARTBEATS_MS[this.#pingId - 1] ?? HEARTBEAT_MS;
    this.#cancelHeartbeat = clock.after(pauseMs, () => this.#beat());
  }

  #measure(id: number): void {
    if (id !== this.#pingId || this.#pingSentMs === undefined) return;
    const sampleMs = this.#options.clock.monotonicMs() - this.#pingSentMs;
    this.#pingSentMs = undefined;
    this.#rttSamplesMs.push(sampleMs);
    if (this.#rttSamplesMs.length > RTT_SAMPLES) this.#rttSamplesMs.shift();
  }

  #judge(): void {
    const { clock, onLost } = this.#options;
    const nowMs = clock.monotonicMs();
    const silentMs = nowMs - this.#lastHeardMs;
    const patienceMs = this.#probeSilenceMs(nowMs);
    if (silentMs >= patienceMs) onLost(MeshError.connectionFailed('the peer left the mesh'));
    else this.#cancelProbe = clock.after(patienceMs - silentMs, () => this.#judge());
  }

  #probeSilenceMs(nowMs: number): number {
    if (nowMs - this.#lastStreamFrameMs >= MAX_PROBE_SILENCE_MS) return PROBE_SILENCE_MS;
    const pausesMs = PROBE_STREAM_PAUSES * this.#streamPauseMs;
    return Math.max(PROBE_SILENCE_MS, Math.min(MAX_PROBE_SILENCE_MS, pausesMs));
  }
}
