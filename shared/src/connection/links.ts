/**
 * All links of one member: dials, a second time beside an attempt that does not open at once, answers, resolves two ends that
 * dial at once, redials the peers that are wanted with exponential backoff. One link per peer is used.
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
import { Attempts, MAX_ATTEMPTS_PER_PEER } from './attempts.ts';
import { Callers } from './callers.ts';
import type { JobMessage, Link } from './link.ts';
import { Redials } from './redials.ts';
import { SecondAttempts } from './second-attempts.ts';
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
  /** A peer that an entry took for gone is there. */
  onThere?(peerId: PeerId): void;
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
  readonly #open = new Map<PeerId, Session>();
  /** Whoever began them. */
  readonly #attempts = new Attempts();
  readonly #seconds: SecondAttempts;
  /** Links that opened beside the one that is used: the end that dialled both will close one of them. */
  readonly #spares = new Map<PeerId, Session>();
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
      linkTo: (peerId) => this.get(peerId),
      dial: (peerId, isCareful) => {
        if (!this.#attempts.has(peerId)) this.#dial(peerId, isCareful);
      },
      ways: options.transports.length,
      hasUntried: (peerId) => this.#approaches.hasUntried(peerId),
    });
    this.#seconds = new SecondAttempts({
      clock: options.clock,
      begin: (beside) => this.#dialBeside(beside),
    });
    this.#redials = new Redials({
      clock: options.clock,
      random: options.random,
      dial: (peerId) => {
        if (!this.#isUnderWay(peerId)) this.#dial(peerId, true);
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
    return this.#open.get(peerId)?.link;
  }

  /** Nearest first; those not measured yet last. */
  open(): { peerId: PeerId; rttMs: number | null }[] {
    const distance = ({ rttMs }: { rttMs: number | null }) => rttMs ?? Number.POSITIVE_INFINITY;
    return Array.from(this.#open, ([peerId, { link }]) => ({ peerId, rttMs: link.rttMs })).sort(
      (a, b) => distance(a) - distance(b),
    );
  }

  /** Keeps a link to each of these peers, and stops redialling all others (open links stay). */
  want(peerIds: ReadonlySet<PeerId>): void {
    if (this.#closed) return;
    this.#wanted = peerIds;
    this.#redials.forgetAllBut(peerIds);
    for (const peerId of peerIds) {
      if (!this.#isUnderWay(peerId) && !this.#redials.has(peerId)) this.#dial(peerId, false);
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
    if (session === undefined) return;
    const wasUnheard = session.isUnheard;
    session.handleDescription(description);
    if (wasUnheard && !session.isUnheard) this.#seconds.handleAnswer(session);
  }

  /**
   * The entry says that a peer is gone: attempts end at once, an open link only when the peer doesn't answer on it any more
   * (it may have lost the entry alone).
   */
  handlePeerRemoved(peerId: PeerId): void {
    this.#callers.settle(peerId, MeshError.peerLost('it left the mesh'));
    for (const { link } of this.#attempts.to(peerId)) link.close('the peer left the mesh');
    this.#open.get(peerId)?.link.probe();
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

  #dial(peerId: PeerId, isCareful: boolean): void {
    this.#redials.cancel(peerId);
    const { transport, source } = this.#approaches.next(peerId);
    this.#offer(peerId, transport, source, isCareful);
  }

  #offer(peerId: PeerId, transport: Transport, source: SourceId | undefined, isCareful: boolean): void {
    const id = SessionId.parse(randomHexId(this.#options.random));
    this.#seconds.watch(this.#startSession(id, peerId, 'offerer', transport, source, isCareful));
  }

  /** The same once more; whichever opens first stays. */
  #dialBeside({ remote, link, source, isUnheard }: Session): void {
    const transport = this.#approaches.find(link.way);
    if (transport === undefined || this.#closed || this.#attempts.to(remote).length >= MAX_ATTEMPTS_PER_PEER) return;
    // Nobody need hurry to a peer that does not answer, unless somebody waits for it.
    if (isUnheard && !this.#callers.isAwaited(remote)) return;
    this.#offer(remote, transport, source, true);
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
    const before = this.#attempts.to(from);
    const own = before.filter((attempt) => attempt.role === 'offerer');
    if (own.length > 0 && this.#options.identity.peerId < from) return undefined;
    const isFull = this.#sessions.size >= MAX_SESSIONS;
    if (before.length === 0 && isFull) return undefined;
    const most = isFull ? 1 : MAX_ATTEMPTS_PER_PEER;
    const replaced = before.length - own.length < most ? undefined : before[0];
    const isStranger = !this.#wanted.has(from) && !this.#callers.isAwaited(from);
    if (!this.#strangers.mayTry(from) || (isStranger && !this.#strangers.makeRoom(replaced))) {
      this.#options.logger.debug({ peer: from }, 'An offer was not answered: too many come from strangers.');
      return undefined;
    }
    const session = this.#startSession(sessionId, from, 'answerer', transport, source);
    if (isStranger) this.#strangers.began(session);
    for (const { link } of own) link.close('the other end dialled too');
    replaced?.link.close('the other end dialled again');
    return session;
  }

  #startSession(
    id: SessionId,
    remote: PeerId,
    role: Session['role'],
    transport: Transport,
    source: SourceId | undefined,
    isCareful = false,
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
        isCareful,
        self: identity.peerId,
        remote,
        clock,
        logger,
        onMessage,
        onProbeAnswered: () => this.#options.onThere?.(remote),
        onStream: ({ remote: from }, offer) => this.#streamHandlers.handle(offer, from),
      },
      describe: (description) => this.#options.describe(remote, identity.sign(description), source),
      onOpen: () => this.#handleOpen(session),
      onClose: (error) => this.#handleClose(session, error),
    });
    this.#sessions.set(id, session);
    this.#attempts.add(session);
    session.begin();
    return session;
  }

  #handleOpen(session: Session): void {
    const { link, remote, role, beganMs } = session;
    const before = this.#open.get(remote);
    session.openedMs = this.#options.clock.monotonicMs();
    this.#attempts.delete(session);
    this.#seconds.forget(session);
    if (role === 'answerer') this.#strangers.opened(session);
    this.#approaches.opened(remote, link.way, session.source);
    if (before?.openedMs !== undefined && beganMs < before.openedMs) {
      this.#keepSpare(session);
    } else {
      this.#open.set(remote, session);
      // The peer came back without this end having noticed that it was gone.
      for (const old of [before, this.#spares.get(remote)]) old?.link.close('replaced by a newer link');
    }
    // Now that there is a link, whoever waits for one hears nothing of these.
    for (const other of this.#attempts.to(remote)) {
      // Where the other end dialled both it may have chosen this one, unless nothing has come through it.
      if (role === 'offerer' || other.link.isConnecting) other.link.close('another attempt was faster');
    }
    this.#options.onOpen(link);
    this.#callers.settle(remote, undefined);
  }

  #keepSpare(session: Session): void {
    const before = this.#spares.get(session.remote);
    this.#spares.set(session.remote, session);
    before?.link.close('replaced by a newer link');
  }

  #handleClose(session: Session, error: Error | undefined): void {
    const { id, remote, role, link, openedMs, source, isUnheard } = session;
    const { clock, logger } = this.#options;
    this.#sessions.delete(id);
    this.#attempts.delete(session);
    this.#seconds.forget(session);
    if (this.#spares.get(remote) === session) this.#spares.delete(remote);
    if (this.#open.get(remote) === session) this.#useSpare(remote);
    this.#strangers.closed(session);
    if (error !== undefined) logger.debug({ peer: remote, error: error.message }, 'A link closed.');
    // Replaced ones too: what runs on them is over.
    if (openedMs !== undefined) this.#options.onClose(link, error);
    if (this.#closed || this.#isUnderWay(remote)) return;
    if (openedMs === undefined) {
      if (role === 'offerer') this.#approaches.failed(remote, { way: link.way, source, isUnheard });
      this.#callers.settle(remote, asConnectionFailed(error));
    } else if (clock.monotonicMs() - openedMs > STEADY_MS) this.#redials.forgive(remote);
    if (this.#wanted.has(remote) && !this.#isUnderWay(remote)) this.#redials.later(remote);
  }

  #useSpare(peerId: PeerId): void {
    const spare = this.#spares.get(peerId);
    this.#spares.delete(peerId);
    if (spare === undefined) this.#open.delete(peerId);
    else this.#open.set(peerId, spare);
  }
}

/** However the attempt failed (a peer of another protocol included): another peer may be tried. */
function asConnectionFailed(error: Error | undefined): MeshError {
  if (MeshError.is(error, 'connection_failed')) return error;
  return MeshError.connectionFailed(error?.message ?? 'it was given up', error);
}
