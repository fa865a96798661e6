/**
 * One open line to one peer: handshake, heartbeat, round-trip time, fragmentation and flow control over a `Channel`, and
 * byte streams beside the messages. Frames come in, decoded messages go out; nothing past this file sees frames.
 */
import { MeshError } from '../errors.ts';
import {
  CONNECT_TIMEOUT_MS,
  HEARTBEAT_MS,
  LEAVING_TIMEOUT_MS,
  MAX_UNKNOWN_TYPES,
  MAX_VIOLATIONS,
  SILENCE_TIMEOUT_MS,
} from '../limits.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Channel, IceServer, Transport, TransportHandlers } from '../ports/transport.ts';
import { CAPABILITIES, STREAMS } from '../protocol/capabilities.ts';
import { decodePeerMessage, encodePeerMessage } from '../protocol/decode.ts';
import { FrameAssembler, type FrameKind, kindOfFrame } from '../protocol/frames.ts';
import type { PeerId } from '../protocol/ids.ts';
import { type PeerMessage, PROTOCOL_VERSION } from '../protocol/messages.ts';
import type { StreamMessage } from '../protocol/stream-messages.ts';
import { Outbox } from './outbox.ts';
import type { ByteStream } from './stream.ts';
import { streamsUnsupported } from './stream-errors.ts';
import { type StreamOffer, Streams } from './streams.ts';

/** What a link passes on; handshake, heartbeat and streams stay inside. */
export type JobMessage = Exclude<PeerMessage, StreamMessage | { type: 'hello' | 'ping' | 'pong' | 'goodbye' }>;

export interface LinkOptions {
  readonly transport: Transport;
  readonly initiator: boolean;
  readonly iceServers: readonly IceServer[];
  readonly self: PeerId;
  readonly remote: PeerId;
  readonly clock: Clock;
  readonly logger: Logger;
  onSignal(payload: string): void;
  onOpen(link: Link): void;
  onMessage(link: Link, message: JobMessage): void;
  /** The other end wants a stream; without this function all are refused. */
  onStream?: ((link: Link, offer: StreamOffer) => void) | undefined;
  /** Once, last. `error` is undefined after a goodbye or an own `close`. */
  onClose(link: Link, error: Error | undefined): void;
}

/** `leaving`: closed for its users, while the goodbye and what was said before it are still under way. */
type LinkState = 'connecting' | 'greeting' | 'open' | 'leaving' | 'closed';

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

export class Link {
  readonly remote: PeerId;
  readonly initiator: boolean;
  readonly #options: LinkOptions;
  readonly #channel: Channel;
  readonly #assembler = new FrameAssembler();
  readonly #outbox: Outbox;
  readonly #streams: Streams;
  #state: LinkState = 'connecting';
  /** The other end's hello has come. */
  #greeted = false;
  #capabilities: ReadonlySet<string> = new Set();
  #cancelProbe: (() => void) | undefined;
  #cancelTimer: () => void;
  #leaving: Promise<void> | undefined;
  #left: () => void = () => {};
  readonly #rttSamplesMs: number[] = [];
  #lastHeardMs = 0;
  #lastStreamFrameMs = Number.NEGATIVE_INFINITY;
  /** Between the last two frames of streams. */
  #streamPauseMs = 0;
  #pingId = 0;
  #pingSentMs: number | undefined;
  #violations = 0;
  /** The types of messages that this version doesn't know, for one line each. */
  readonly #unknownTypes = new Set<string>();

  constructor(options: LinkOptions) {
    this.#options = options;
    this.remote = options.remote;
    this.initiator = options.initiator;
    this.#cancelTimer = options.clock.after(CONNECT_TIMEOUT_MS, () =>
      this.#fail(MeshError.connectionFailed(`no answer within ${CONNECT_TIMEOUT_MS / 1000} s`)),
    );
    this.#channel = openChannel(options, {
      onSignal: (payload) => options.onSignal(payload),
      onOpen: () => this.#greet(),
      onMessage: (bytes) => this.#receive(bytes),
      onDrain: () => this.#outbox.handleDrain(),
      onClose: (error) => this.#end(error ?? MeshError.connectionFailed('the other end closed it')),
    });
    this.#outbox = new Outbox({
      channel: this.#channel,
      clock: options.clock,
      onRoom: () => this.#streams.pump(),
      onFailure: (error) => this.#end(error),
    });
    this.#streams = new Streams({
      initiator: options.initiator,
      clock: options.clock,
      outbox: this.#outbox,
      isKnown: () => this.can(STREAMS),
      send: (message) => {
        if (this.#state === 'open') this.#write(message);
      },
      onOffer: (offer) => {
        if (options.onStream === undefined) offer.refuse('it has no use for streams');
        else options.onStream(this, offer);
      },
    });
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Round trip; null until the first heartbeat came back. */
  get rttMs(): number | null {
    return this.#rttSamplesMs.length === 0 ? null : Math.min(...this.#rttSamplesMs);
  }

  /** How it came about. */
  get way(): string {
    return this.#options.transport.way;
  }

  /** Whether the other end has said that it can do this; nothing before its hello. */
  can(capability: string): boolean {
    return this.#capabilities.has(capability);
  }

  signal(payload: string): void {
    this.#channel.signal(payload);
  }

  /**
   * Queues the message; frames leave in order.
   * @throws MeshError `closed` when not open, `payload_too_large` when the message is too long for any peer.
   */
  send(message: JobMessage): void {
    if (this.#state !== 'open') throw MeshError.closed('link');
    this.#streams.noteMessage();
    this.#write(message);
  }

  /** Resolves once a producer may go on: at once while little is buffered, else when the peer has read. */
  ready(): Promise<void> | undefined {
    return this.#state === 'open' ? this.#outbox.ready() : undefined;
  }

  /**
   * A stream of bytes beside the messages, once the other end has accepted it by its name; the signal ends it afterwards,
   * too.
   * @throws MeshError `unsupported` or `peer_busy` when it is refused, `closed`, `connection_failed`, `cancelled`.
   */
  async openStream(name: string, options: { readonly signal?: AbortSignal } = {}): Promise<ByteStream> {
    if (this.#state !== 'open') throw MeshError.closed('link');
    if (!this.can(STREAMS)) throw streamsUnsupported();
    return this.#streams.open(name, options.signal);
  }

  /**
   * The entry says that the peer is gone: unless it answers at once, the link is closed. What it says meanwhile gives it
   * time, but does not count as the answer: it may have been on its way when the peer was killed.
   */
  probe(): void {
    if (this.#state !== 'open') return;
    this.#write({ type: 'ping', id: PROBE_ID });
    this.#cancelProbe?.();
    this.#cancelProbe = this.#options.clock.after(PROBE_MS + PROBE_ROUND_TRIPS * (this.rttMs ?? 0), () =>
      this.#judgeProbe(),
    );
  }

  #judgeProbe(): void {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const silentMs = nowMs - this.#lastHeardMs;
    const patienceMs = this.#probeSilenceMs(nowMs);
    if (silentMs >= patienceMs) this.#fail(MeshError.connectionFailed('the peer left the mesh'));
    else this.#cancelProbe = clock.after(patienceMs - silentMs, () => this.#judgeProbe());
  }

  #probeSilenceMs(nowMs: number): number {
    if (nowMs - this.#lastStreamFrameMs >= MAX_PROBE_SILENCE_MS) return PROBE_SILENCE_MS;
    const pausesMs = PROBE_STREAM_PAUSES * this.#streamPauseMs;
    return Math.max(PROBE_SILENCE_MS, Math.min(MAX_PROBE_SILENCE_MS, pausesMs));
  }

  /** Says goodbye when it can; resolves when the other end has heard it, or never will. Idempotent. */
  close(reason: string): Promise<void> {
    if (this.#state === 'open') this.#write({ type: 'goodbye', reason });
    if (this.#state === 'open') this.#leave();
    else if (this.#state !== 'leaving') this.#end(undefined);
    return this.#leaving ?? Promise.resolve();
  }

  #leave(): void {
    this.#state = 'leaving';
    this.#leaving = new Promise((resolve) => {
      this.#left = resolve;
    });
    this.#stopTimers();
    this.#streams.close(MeshError.closed('link'));
    this.#cancelTimer = this.#options.clock.after(LEAVING_TIMEOUT_MS, () => this.#end(undefined));
    this.#options.onClose(this, undefined);
  }

  #stopTimers(): void {
    this.#cancelTimer();
    this.#cancelProbe?.();
  }

  #greet(): void {
    if (this.#state !== 'connecting') return;
    this.#state = 'greeting';
    this.#write({
      type: 'hello',
      protocol: PROTOCOL_VERSION,
      peerId: this.#options.self,
      capabilities: [...CAPABILITIES],
    });
    if (this.#greeted) this.#open();
  }

  #receive(frame: Uint8Array): void {
    if (this.#state === 'closed') return;
    const nowMs = this.#options.clock.monotonicMs();
    this.#lastHeardMs = nowMs;
    const kind = kindOfFrame(frame);
    if (kind === 'message') {
      this.#receivePiece(frame);
      return;
    }
    this.#streamPauseMs = nowMs - this.#lastStreamFrameMs;
    this.#lastStreamFrameMs = nowMs;
    this.#try(() => this.#receiveBeside(kind, frame));
  }

  #receivePiece(frame: Uint8Array): void {
    let bytes: Uint8Array | undefined;
    try {
      bytes = this.#assembler.push(frame);
    } catch (error) {
      // Without its pieces the rest of the messages makes no sense.
      this.#fail(error);
      return;
    }
    if (bytes !== undefined) this.#try(() => this.#decode(bytes));
  }

  #decode(bytes: Uint8Array): void {
    const message = decodePeerMessage(bytes);
    if (message.type === 'unknown') this.#skip(message.of);
    else this.#handle(message);
  }

  /** What is no message does no harm to those: the channel keeps the bounds of frames. */
  #receiveBeside(kind: Exclude<FrameKind, 'message'>, frame: Uint8Array): void {
    if (this.#state === 'leaving') return;
    if (this.#state !== 'open') throw MeshError.protocolViolation(`a frame came before 'hello'`);
    switch (kind) {
      case 'stream-data':
        this.#streams.handleData(frame);
        return;
      case 'stream-ack':
        this.#streams.handleAck(frame);
        return;
      case 'unknown':
        throw MeshError.protocolViolation('a frame of an unknown kind was skipped');
    }
  }

  /** What the other end did wrong counts against it; past a few times it is cut off. */
  #try(handle: () => void): void {
    try {
      handle();
    } catch (error) {
      if (!MeshError.is(error)) {
        // A fault of this end's own: the peer loses its link, not this process its life.
        this.#options.logger.error({ peer: this.remote, error }, 'Handling a message failed.');
        this.#fail(error);
        return;
      }
      this.#violations += 1;
      this.#options.logger.warn({ peer: this.remote, code: error.code }, error.message);
      if (this.#state !== 'open' || this.#violations >= MAX_VIOLATIONS) this.#fail(error);
    }
  }

  /** A newer peer says more than this version knows. */
  #skip(type: string): void {
    if (this.#unknownTypes.has(type) || this.#unknownTypes.size >= MAX_UNKNOWN_TYPES) return;
    this.#unknownTypes.add(type);
    this.#options.logger.debug({ peer: this.remote, type }, 'Messages of an unknown type are skipped.');
  }

  #handle(message: PeerMessage): void {
    if (this.#state === 'greeting' || this.#state === 'connecting') {
      if (message.type !== 'hello') throw MeshError.protocolViolation(`'${message.type}' came before 'hello'`);
      if (message.protocol !== PROTOCOL_VERSION) {
        throw MeshError.protocolViolation(
          `the peer speaks protocol ${message.protocol}, this one ${PROTOCOL_VERSION}; update the older one`,
        );
      }
      if (message.peerId !== this.remote) throw MeshError.protocolViolation('the peer gave another id');
      this.#capabilities = new Set(message.capabilities);
      this.#greeted = true;
      // The other end's transport may open, and its hello arrive, before this end's own transport says so.
      if (this.#state === 'greeting') this.#open();
      return;
    }
    if (this.#state === 'leaving' && message.type !== 'goodbye') return;
    switch (message.type) {
      case 'hello':
        throw MeshError.protocolViolation(`'hello' came twice`);
      case 'ping':
        this.#write({ type: 'pong', id: message.id });
        return;
      case 'pong':
        if (message.id === PROBE_ID) this.#cancelProbe?.();
        else this.#measure(message.id);
        return;
      case 'goodbye':
        this.#end(undefined);
        return;
      case 'stream-open':
      case 'stream-accept':
      case 'stream-refuse':
      case 'stream-window':
      case 'stream-end':
      case 'stream-reset':
        this.#streams.handleMessage(message);
        return;
      default:
        this.#streams.noteMessage();
        this.#options.onMessage(this, message);
    }
  }

  #open(): void {
    if (this.#state !== 'greeting') return;
    this.#state = 'open';
    this.#cancelTimer();
    this.#options.onOpen(this);
    this.#heartbeat();
  }

  #heartbeat(): void {
    if (this.#state !== 'open') return;
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#lastHeardMs > SILENCE_TIMEOUT_MS) {
      this.#fail(MeshError.connectionFailed('the peer fell silent'));
      return;
    }
    this.#pingId += 1;
    this.#pingSentMs = nowMs;
    this.#write({ type: 'ping', id: this.#pingId });
    if (!this.isOpen) return;
    const pauseMs = FIRST_HEARTBEATS_MS[this.#pingId - 1] ?? HEARTBEAT_MS;
    this.#cancelTimer = clock.after(pauseMs, () => this.#heartbeat());
  }

  #measure(id: number): void {
    if (id !== this.#pingId || this.#pingSentMs === undefined) return;
    const sampleMs = this.#options.clock.monotonicMs() - this.#pingSentMs;
    this.#pingSentMs = undefined;
    this.#rttSamplesMs.push(sampleMs);
    if (this.#rttSamplesMs.length > RTT_SAMPLES) this.#rttSamplesMs.shift();
  }

  #write(message: PeerMessage): void {
    this.#outbox.write(encodePeerMessage(message));
  }

  #fail(error: unknown): void {
    this.#end(error instanceof Error ? error : new Error(String(error)));
  }

  #end(error: Error | undefined): void {
    if (this.#state === 'closed') return;
    const told = this.#state === 'leaving';
    this.#state = 'closed';
    this.#stopTimers();
    this.#streams.close(error === undefined ? MeshError.closed('link') : asLost(error));
    this.#outbox.close();
    this.#channel.close();
    this.#left();
    if (!told) this.#options.onClose(this, error);
  }
}

/** Why its streams broke off. */
function asLost(error: Error): MeshError {
  return MeshError.is(error, 'connection_failed') ? error : MeshError.connectionFailed(error.message, error);
}

/** A platform without WebRTC throws: for whoever dials that is an attempt that failed. */
function openChannel(
  { transport, clock, initiator, remote, iceServers }: LinkOptions,
  handlers: TransportHandlers,
): Channel {
  try {
    return transport.open({ initiator, remote, iceServers }, handlers);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    clock.after(0, () => handlers.onClose(MeshError.connectionFailed(reason, error)));
    return {
      signal() {},
      send() {
        throw MeshError.closed('channel');
      },
      bufferedBytes: () => 0,
      close() {},
    };
  }
}
