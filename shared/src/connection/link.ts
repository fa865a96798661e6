/**
 * One line to one peer: it greets over a `Channel`, is open, says goodbye. Messages and byte streams go over it while it is
 * open, each by its own file; nothing past this one sees frames.
 */
import { MeshError } from '../errors.ts';
import { CONNECT_TIMEOUT_MS, LEAVING_TIMEOUT_MS } from '../limits.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Channel, IceServer, Transport } from '../ports/transport.ts';
import { PACKED_FRAMES, STREAMS } from '../protocol/capabilities.ts';
import { encodePeerMessage } from '../protocol/decode.ts';
import { kindOfFrame } from '../protocol/frames.ts';
import type { PeerId } from '../protocol/ids.ts';
import type { PeerMessage } from '../protocol/messages.ts';
import type { StreamMessage } from '../protocol/stream-messages.ts';
import { capabilitiesOf, helloOf } from './greeting.ts';
import { IncomingFrames, type StreamFrameKind } from './incoming-frames.ts';
import { Liveness } from './liveness.ts';
import { openChannel } from './open-channel.ts';
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
  readonly isCareful?: boolean;
  readonly self: PeerId;
  readonly remote: PeerId;
  readonly clock: Clock;
  readonly logger: Logger;
  onSignal(payload: string): void;
  onOpen(link: Link): void;
  onMessage(link: Link, message: JobMessage): void;
  /** The other end wants a stream; without this function all are refused. */
  onStream?: ((link: Link, offer: StreamOffer) => void) | undefined;
  /** The other end has answered a probe. */
  onProbeAnswered?: ((link: Link) => void) | undefined;
  /** Once, last. `error` is undefined after a goodbye or an own `close`. */
  onClose(link: Link, error: Error | undefined): void;
}

/** `leaving`: closed for its users, while the goodbye and what was said before it are still under way. */
type LinkState = 'connecting' | 'greeting' | 'open' | 'leaving' | 'closed';

export class Link {
  readonly remote: PeerId;
  readonly initiator: boolean;
  readonly #options: LinkOptions;
  readonly #channel: Channel;
  readonly #incoming: IncomingFrames;
  readonly #outbox: Outbox;
  readonly #streams: Streams;
  readonly #liveness: Liveness;
  #state: LinkState = 'connecting';
  /** The other end's hello has come. */
  #greeted = false;
  #capabilities: ReadonlySet<string> = new Set();
  /** Of the state that is to pass. */
  #cancelTimer: () => void;
  #leaving: Promise<void> | undefined;
  #left: () => void = () => {};

  constructor(options: LinkOptions) {
    this.#options = options;
    this.remote = options.remote;
    this.initiator = options.initiator;
    this.#cancelTimer = options.clock.after(CONNECT_TIMEOUT_MS, () =>
      this.#end(MeshError.connectionFailed(`no answer within ${CONNECT_TIMEOUT_MS / 1000} s`)),
    );
    this.#incoming = new IncomingFrames({
      remote: options.remote,
      logger: options.logger,
      forgives: () => this.isOpen,
      onMessage: (message) => this.#handle(message),
      onStreamFrame: (kind, frame) => this.#handleStreamFrame(kind, frame),
      onFailure: (error) => this.#end(error),
    });
    this.#liveness = new Liveness({
      clock: options.clock,
      ping: (id) => this.#write({ type: 'ping', id }),
      onProbeAnswered: () => options.onProbeAnswered?.(this),
      onLost: (error) => this.#end(error),
    });
    this.#channel = openChannel(options, {
      onSignal: (payload) => options.onSignal(payload),
      onOpen: () => this.#greet(),
      onMessage: (frame) => this.#receive(frame),
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
        if (this.#state !== 'open') return;
        this.#write(message);
        // Whoever opens or accepts is to know whether the link has broken by that.
        this.#outbox.flush();
      },
      onOffer: (offer) => {
        if (options.onStream === undefined) offer.refuse('it has no use for streams');
        else options.onStream(this, offer);
      },
    });
  }

  /** Nothing has come through yet. */
  get isConnecting(): boolean {
    return this.#state === 'connecting';
  }

  /** Open ones, whoever opened them. */
  get hasStreams(): boolean {
    return !this.#streams.isEmpty;
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Round trip; null until the first heartbeat came back. */
  get rttMs(): number | null {
    return this.#liveness.rttMs;
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

  /** The entry says that the peer is gone: unless it answers at once, the link is closed. */
  probe(): void {
    if (this.#state === 'open') this.#liveness.probe();
  }

  /** Says goodbye when it can; resolves when the other end has heard it, or never will. Idempotent. */
  close(reason: string): Promise<void> {
    if (this.#state === 'open') this.#write({ type: 'goodbye', reason });
    // A page that freezes has no other moment.
    this.#outbox.flush();
    if (this.#state === 'open') this.#leave();
    else if (this.#state !== 'leaving') this.#end(undefined);
    return this.#leaving ?? Promise.resolve();
  }

  #leave(): void {
    this.#state = 'leaving';
    this.#leaving = new Promise((resolve) => {
      this.#left = resolve;
    });
    this.#cancelTimer();
    this.#liveness.stop();
    this.#streams.close(MeshError.closed('link'));
    this.#cancelTimer = this.#options.clock.after(LEAVING_TIMEOUT_MS, () => this.#end(undefined));
    this.#options.onClose(this, undefined);
  }

  #greet(): void {
    if (this.#state !== 'connecting') return;
    this.#state = 'greeting';
    this.#write(helloOf(this.#options.self));
    if (this.#greeted) this.#open();
  }

  #receive(frame: Uint8Array): void {
    if (this.#state === 'closed') return;
    const kind = kindOfFrame(frame);
    this.#liveness.handleFrame(kind);
    if (this.#state === 'leaving' && kind !== 'message' && kind !== 'pack') return;
    this.#incoming.receive(kind, frame);
  }

  #handleStreamFrame(kind: StreamFrameKind, frame: Uint8Array): void {
    if (this.#state !== 'open') throw MeshError.protocolViolation(`a frame came before 'hello'`);
    if (kind === 'stream-data') this.#streams.handleData(frame);
    else this.#streams.handleAck(frame);
  }

  #handleGreeting(message: PeerMessage): void {
    this.#capabilities = capabilitiesOf(message, this.remote);
    this.#greeted = true;
    this.#outbox.packs = this.can(PACKED_FRAMES);
    // The other end's transport may open, and its hello arrive, before this end's own transport says so.
    if (this.#state === 'greeting') this.#open();
  }

  #handle(message: PeerMessage): void {
    // Another message of its frame has closed the link.
    if (this.#state === 'closed') return;
    if (this.#state === 'greeting' || this.#state === 'connecting') {
      this.#handleGreeting(message);
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
        this.#liveness.handlePong(message.id);
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
    if (this.isOpen) this.#liveness.start();
    // The first heartbeat tells whether the channel has broken meanwhile, before anybody is handed the link.
    this.#outbox.flush();
  }

  #write(message: PeerMessage): void {
    this.#outbox.write(encodePeerMessage(message));
  }

  #end(error: Error | undefined): void {
    if (this.#state === 'closed') return;
    const told = this.#state === 'leaving';
    this.#state = 'closed';
    this.#cancelTimer();
    this.#liveness.stop();
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
