/**
 * All links of one member: dials, answers, resolves two ends that dial at once, redials the peers that are wanted with
 * exponential backoff. One open link per peer.
 */
import { MeshError } from '../errors.ts';
import { MAX_SESSIONS } from '../limits.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import { type Random, randomHexId } from '../ports/random.ts';
import type { Signer } from '../ports/signer.ts';
import type { IceServer, Transport } from '../ports/transport.ts';
import type { SignedRecord } from '../protocol/announcement.ts';
import { decodeSessionDescription } from '../protocol/decode.ts';
import { type PeerId, SessionId, type SourceId } from '../protocol/ids.ts';
import type { SessionDescription } from '../protocol/signaling.ts';
import type { VerifySignature } from '../protocol/signature.ts';
import { Approaches, type ApproachesOptions } from './approaches.ts';
import { Callers } from './callers.ts';
import type { JobMessage, Link } from './link.ts';
import { Redials } from './redials.ts';
import { Session } from './session.ts';
import { Strangers } from './strangers.ts';
import type { ByteStream } from './stream.ts';
import { type StreamHandler, StreamHandlers } from './stream-handlers.ts';

export interface LinksOptions extends ApproachesOptions {
  readonly identity: Signer;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Default: the one for any platform. */
  readonly verify?: VerifySignature | undefined;
  /** Hands a signed description to an entry: the one that brought the offer, or that the attempt is to go by. */
  describe(to: PeerId, record: SignedRecord, source: SourceId | undefined): void;
  onOpen(link: Link): void;
  onMessage(link: Link, message: JobMessage): void;
  onClose(link: Link, error: Error | undefined): void;
  /** Whether jobs run on it. Default: none do. */
  isInUse?(link: Link): boolean;
}

/** A link that lived shorter is one more failure: a peer that hangs up at once is not dialled at once. */
const STEADY_MS = 30_000;

export class Links {
  readonly #options: LinksOptions;
  readonly #approaches: Approaches;
  readonly #sessions = new Map<SessionId, Session>();
  readonly #open = new Map<PeerId, Link>();
  /** The one attempt per peer, whoever began it. */
  readonly #attempts = new Map<PeerId, Session>();
  readonly #callers: Callers;
  readonly #redials: Redials;
  readonly #streamHandlers: StreamHandlers;
  readonly #strangers: Strangers<Session>;
  #wanted: ReadonlySet<PeerId> = new Set();
  readonly #iceServers = new Map<SourceId | undefined, readonly IceServer[]>();
  #closed = false;

  constructor(options: LinksOptions) {
    this.#options = options;
    this.#approaches = new Approaches(options);
    this.#callers = new Callers({
      clock: options.clock,
      linkTo: (peerId) => this.#open.get(peerId),
      dial: (peerId) => {
        if (!this.#attempts.has(peerId)) this.#dial(peerId);
      },
      ways: options.transports.length,
      hasUntried: (peerId) => this.#approaches.hasUntried(peerId),
    });
    this.#redials = new Redials({
      clock: options.clock,
      random: options.random,
      dial: (peerId) => {
        if (!this.#isUnderWay(peerId)) this.#dial(peerId);
      },
    });
    this.#strangers = new Strangers({
      clock: options.clock,
      isInUse: ({ remote, link }) => this.#wanted.has(remote) || link.hasStreams || (options.isInUse?.(link) ?? false),
    });
    this.#streamHandlers = new StreamHandlers(options.logger);
  }

  /** What a source offers for coming about; links use what all of them offer. */
  setIceServers(iceServers: readonly IceServer[], source?: SourceId): void {
    this.#iceServers.set(source, iceServers);
  }

  /** The open link to a peer. */
  get(peerId: PeerId): Link | undefined {
    return this.#open.get(peerId);
  }

  /** Nearest first; those not measured yet last. */
  open(): { peerId: PeerId; rttMs: number | null }[] {
    const distance = ({ rttMs }: { rttMs: number | null }) => rttMs ?? Number.POSITIVE_INFINITY;
    return Array.from(this.#open, ([peerId, { rttMs }]) => ({ peerId, rttMs })).sort(
      (a, b) => distance(a) - distance(b),
    );
  }

  /** Keeps a link to each of these peers, and stops redialling all others (open links stay). */
  want(peerIds: ReadonlySet<PeerId>): void {
    if (this.#closed) return;
    this.#wanted = peerIds;
    this.#redials.forgetAllBut(peerIds);
    for (const peerId of peerIds) {
      if (!this.#isUnderWay(peerId) && !this.#redials.has(peerId)) this.#dial(peerId);
    }
  }

  /**
   * The open link to a peer, dialling when there is none, by one way after the other.
   * @throws MeshError `connection_failed` after `MAX_DIAL_ATTEMPTS` and each way, `cancelled` by the signal.
   */
  connect(peerId: PeerId, signal: AbortSignal): Promise<Link> {
    return this.#callers.connect(peerId, signal);
  }

  /**
   * A byte stream to a peer, dialling when there is no link.
   * @throws MeshError as `connect` and `Link.openStream` do.
   */
  async openStream(peerId: PeerId, name: string, signal: AbortSignal): Promise<ByteStream> {
    const link = await this.connect(peerId, signal);
    return link.openStream(name, { signal });
  }

  /** Answers streams of this name, from whichever peer; others are refused. Returns what ends that. */
  onStream(name: string, handler: StreamHandler): () => void {
    return this.#streamHandlers.add(name, handler);
  }

  /** A description that an entry brought. Wrong ones are logged and change nothing. */
  handleDescription(record: SignedRecord, source?: SourceId): void {
    if (this.#closed) return;
    let description: SessionDescription;
    try {
      description = decodeSessionDescription(record, this.#options.verify);
    } catch (error) {
      this.#options.logger.warn({ error }, 'A session description was refused.');
      return;
    }
    if (description.to !== this.#options.identity.peerId) return;
    const session = this.#sessions.get(description.sessionId) ?? this.#answer(description, source);
    session?.handleDescription(description);
  }

  /**
   * The entry says that a peer is gone: attempts end at once, an open link only when the peer doesn't answer on it any more
   * (it may have lost the entry alone).
   */
  handlePeerRemoved(peerId: PeerId): void {
    this.#callers.settle(peerId, MeshError.peerLost('it left the mesh'));
    this.#attempts.get(peerId)?.link.close('the peer left the mesh');
    this.#open.get(peerId)?.probe();
    this.#redials.forget(peerId);
    this.#approaches.forget(peerId);
  }

  /** Resolves when the other ends have heard it. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#redials.close();
    const closing = Array.from(this.#sessions.values(), ({ link }) => link.close('the peer is leaving'));
    this.#callers.close();
    await Promise.all(closing);
  }

  #isUnderWay(peerId: PeerId): boolean {
    return this.#open.has(peerId) || this.#attempts.has(peerId);
  }

  #dial(peerId: PeerId): void {
    this.#redials.cancel(peerId);
    const { transport, source } = this.#approaches.next(peerId);
    this.#startSession(SessionId.parse(randomHexId(this.#options.random)), peerId, 'offerer', transport, source);
  }

  /**
   * An unknown attempt: worth answering when it is its opening record. When both ends dial at once, the attempt of the
   * smaller id goes on and the other end gives its own up.
   */
  #answer(
    { sessionId, from, role, index, way = this.#approaches.first.way }: SessionDescription,
    source: SourceId | undefined,
  ): Session | undefined {
    if (role !== 'offerer' || index !== 0) return undefined;
    const transport = this.#approaches.find(way);
    if (transport === undefined) return undefined;
    const before = this.#attempts.get(from);
    if (before?.role === 'offerer' && this.#options.identity.peerId < from) return undefined;
    if (before === undefined && this.#sessions.size >= MAX_SESSIONS) return undefined;
    const isStranger = !this.#wanted.has(from) && !this.#callers.isAwaited(from);
    if (!this.#strangers.mayTry(from) || (isStranger && !this.#strangers.makeRoom(before))) {
      this.#options.logger.debug({ peer: from }, 'An offer was not answered: too many come from strangers.');
      return undefined;
    }
    const session = this.#startSession(sessionId, from, 'answerer', transport, source);
    if (isStranger) this.#strangers.began(session);
    before?.link.close('the other end dialled too');
    return session;
  }

  #startSession(
    id: SessionId,
    remote: PeerId,
    role: Session['role'],
    transport: Transport,
    source: SourceId | undefined,
  ): Session {
    const { identity, clock, logger, onMessage } = this.#options;
    const session = new Session({
      id,
      role,
      source,
      sayWay: transport !== this.#approaches.first,
      link: {
        transport,
        iceServers: [...this.#iceServers.values()].flat(),
        self: identity.peerId,
        remote,
        clock,
        logger,
        onMessage,
        onStream: ({ remote: from }, offer) => this.#streamHandlers.handle(offer, from),
      },
      describe: (description) => this.#options.describe(remote, identity.sign(description), source),
      onOpen: () => this.#handleOpen(session),
      onClose: (error) => this.#handleClose(session, error),
    });
    this.#sessions.set(id, session);
    this.#attempts.set(remote, session);
    session.begin();
    return session;
  }

  #handleOpen(session: Session): void {
    const { link, remote } = session;
    const replaced = this.#open.get(remote);
    session.openedMs = this.#options.clock.monotonicMs();
    if (session.role === 'answerer') this.#strangers.opened(session);
    this.#open.set(remote, link);
    if (this.#attempts.get(remote) === session) this.#attempts.delete(remote);
    this.#approaches.opened(remote, link.way, session.source);
    // The peer came back without this end having noticed that it was gone.
    replaced?.close('replaced by a newer link');
    this.#options.onOpen(link);
    this.#callers.settle(remote, undefined);
  }

  #handleClose(session: Session, error: Error | undefined): void {
    const { id, remote, role, link, openedMs, source, isUnheard } = session;
    const { clock, logger } = this.#options;
    this.#sessions.delete(id);
    this.#strangers.closed(session);
    if (this.#open.get(remote) === link) this.#open.delete(remote);
    if (this.#attempts.get(remote)?.id === id) this.#attempts.delete(remote);
    if (error !== undefined) logger.debug({ peer: remote, error: error.message }, 'A link closed.');
    // Replaced ones too: what runs on them is over.
    if (openedMs !== undefined) this.#options.onClose(link, error);
    if (this.#closed || this.#open.has(remote) || this.#attempts.has(remote)) return;
    if (openedMs === undefined) {
      if (role === 'offerer') this.#approaches.failed(remote, { way: link.way, source, isUnheard });
      this.#callers.settle(remote, asConnectionFailed(error));
    } else if (clock.monotonicMs() - openedMs > STEADY_MS) this.#redials.forgive(remote);
    if (this.#wanted.has(remote) && !this.#attempts.has(remote)) this.#redials.later(remote);
  }
}

/** However the attempt failed (a peer of another protocol included): another peer may be tried. */
function asConnectionFailed(error: Error | undefined): MeshError {
  if (MeshError.is(error, 'connection_failed')) return error;
  return MeshError.connectionFailed(error?.message ?? 'it was given up', error);
}
