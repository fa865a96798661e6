/**
 * All links of one member: dials, answers, resolves two ends that dial at once, redials the peers that are wanted with
 * exponential backoff. One open link per peer.
 */
import { backoffMs } from '../backoff.ts';
import { MeshError } from '../errors.ts';
import { CONNECT_TIMEOUT_MS, MAX_DIAL_ATTEMPTS, MAX_SESSIONS } from '../limits.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import { type Random, randomHexId } from '../ports/random.ts';
import type { Signer } from '../ports/signer.ts';
import type { IceServer, Transport, Transports } from '../ports/transport.ts';
import type { SignedRecord } from '../protocol/announcement.ts';
import { decodeSessionDescription } from '../protocol/decode.ts';
import { type PeerId, SessionId, type SourceId } from '../protocol/ids.ts';
import type { SessionDescription } from '../protocol/signaling.ts';
import type { VerifySignature } from '../protocol/signature.ts';
import { type JobMessage, Link } from './link.ts';
import type { ByteStream } from './stream.ts';
import { type StreamHandler, StreamHandlers } from './stream-handlers.ts';

export interface LinksOptions {
  readonly identity: Signer;
  /** The ways in which a link may come about, best first; the first is one that everybody has. */
  readonly transports: Transports;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Default: the one for any platform. */
  readonly verify?: VerifySignature | undefined;
  /** Whether the peer announced this way to connect; asked of all but the first. */
  hasWay(peerId: PeerId, way: string): boolean;
  /** Hands a signed description to an entry: the one that brought the peer's own, where it was the first to describe. */
  describe(to: PeerId, record: SignedRecord, source: SourceId | undefined): void;
  onOpen(link: Link): void;
  onMessage(link: Link, message: JobMessage): void;
  /** A peer that an entry took for gone is there. */
  onThere?(peerId: PeerId): void;
  onClose(link: Link, error: Error | undefined): void;
}

/** One attempt and, if it succeeds, the link that it became. */
interface Session {
  readonly id: SessionId;
  readonly remote: PeerId;
  readonly role: SessionDescription['role'];
  /** The entry that brought the offer. */
  readonly source: SourceId | undefined;
  readonly link: Link;
  /** Undefined while it is an attempt. */
  openedMs: number | undefined;
  nextSentIndex: number;
  nextReceivedIndex: number;
}

/** What took longer to fail was silence, and a second attempt would meet it again. */
const QUICK_FAILURE_MS = 2_000;
/** An attempt of the other end's may take the place of this end's when that is nearly over, and has as long; no third one. */
const OUTCOME_TIMEOUT_MS = 2 * CONNECT_TIMEOUT_MS;
/** A link that lived shorter is one more failure: a peer that hangs up at once is not dialled at once. */
const STEADY_MS = 30_000;

export class Links {
  readonly #options: LinksOptions;
  readonly #first: Transport;
  readonly #sessions = new Map<SessionId, Session>();
  readonly #open = new Map<PeerId, Link>();
  /** The one attempt per peer, whoever began it. */
  readonly #attempts = new Map<PeerId, Session>();
  readonly #waiting = new Map<PeerId, Set<(error: Error | undefined) => void>>();
  readonly #failures = new Map<PeerId, number>();
  /** Ways on which no link to the peer came about; cleared when none is left. */
  readonly #failedWays = new Map<PeerId, Set<string>>();
  readonly #redials = new Map<PeerId, () => void>();
  readonly #streamHandlers: StreamHandlers;
  #wanted: ReadonlySet<PeerId> = new Set();
  readonly #iceServers = new Map<SourceId | undefined, readonly IceServer[]>();
  #closed = false;

  constructor(options: LinksOptions) {
    this.#options = options;
    [this.#first] = options.transports;
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
    for (const [peerId, cancel] of this.#redials) {
      if (peerIds.has(peerId)) continue;
      cancel();
      this.#redials.delete(peerId);
    }
    for (const peerId of this.#failures.keys()) if (!peerIds.has(peerId)) this.#failures.delete(peerId);
    for (const peerId of peerIds) {
      if (!this.#open.has(peerId) && !this.#attempts.has(peerId) && !this.#redials.has(peerId)) this.#dial(peerId);
    }
  }

  /**
   * The open link to a peer, dialling when there is none, by one way after the other.
   * @throws MeshError `connection_failed` after `MAX_DIAL_ATTEMPTS` and each way, `cancelled` by the signal.
   */
  async connect(peerId: PeerId, signal: AbortSignal): Promise<Link> {
    for (let attempt = 1; ; attempt += 1) {
      if (signal.aborted) throw MeshError.cancelled();
      const link = this.#open.get(peerId);
      if (link !== undefined) return link;
      const askedMs = this.#options.clock.monotonicMs();
      try {
        await this.#nextOutcome(peerId, signal);
      } catch (error) {
        const tookMs = this.#options.clock.monotonicMs() - askedMs;
        // Attempts that the other end began use up no way of this end's, so both are bounded.
        const mayUseAnother =
          tookMs < OUTCOME_TIMEOUT_MS && attempt < MAX_DIAL_ATTEMPTS + this.#options.transports.length;
        const mayTryAgain =
          (tookMs < QUICK_FAILURE_MS && attempt < MAX_DIAL_ATTEMPTS) ||
          (mayUseAnother && this.#untried(peerId) !== undefined);
        if (!mayTryAgain || !MeshError.is(error, 'connection_failed')) throw error;
      }
    }
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
    if (session === undefined || session.remote !== description.from || session.role === description.role) return;
    if (description.index !== session.nextReceivedIndex) return;
    session.nextReceivedIndex += 1;
    session.link.signal(description.payload);
  }

  /**
   * The entry says that a peer is gone: attempts end at once, an open link only when the peer doesn't answer on it any more
   * (it may have lost the entry alone).
   */
  handlePeerRemoved(peerId: PeerId): void {
    this.#settle(peerId, MeshError.peerLost('it left the mesh'));
    this.#attempts.get(peerId)?.link.close('the peer left the mesh');
    this.#open.get(peerId)?.probe();
    this.#redials.get(peerId)?.();
    this.#redials.delete(peerId);
    this.#failures.delete(peerId);
    this.#failedWays.delete(peerId);
  }

  /** Resolves when the other ends have heard it. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const cancel of this.#redials.values()) cancel();
    this.#redials.clear();
    const closing = Array.from(this.#sessions.values(), ({ link }) => link.close('the peer is leaving'));
    for (const waiters of this.#waiting.values()) for (const settle of waiters) settle(MeshError.closed('mesh'));
    this.#waiting.clear();
    await Promise.all(closing);
  }

  #nextOutcome(peerId: PeerId, signal: AbortSignal): Promise<void> {
    if (this.#closed) throw MeshError.closed('mesh');
    return new Promise((resolve, reject) => {
      const waiters = this.#waiting.get(peerId) ?? new Set();
      this.#waiting.set(peerId, waiters);
      const settle = (error: Error | undefined) => {
        waiters.delete(settle);
        cancelTimeout();
        signal.removeEventListener('abort', onAbort);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onAbort = () => settle(MeshError.cancelled());
      const cancelTimeout = this.#options.clock.after(OUTCOME_TIMEOUT_MS, () =>
        settle(MeshError.connectionFailed('it began one attempt after the other, and none led to a link')),
      );
      signal.addEventListener('abort', onAbort);
      waiters.add(settle);
      if (!this.#attempts.has(peerId)) this.#dial(peerId);
    });
  }

  #dial(peerId: PeerId): void {
    this.#redials.get(peerId)?.();
    this.#redials.delete(peerId);
    const transport = this.#untried(peerId) ?? this.#first;
    // None is left: begin again with the first.
    if (this.#failedWays.get(peerId)?.has(transport.way)) this.#failedWays.delete(peerId);
    this.#startSession(SessionId.parse(randomHexId(this.#options.random)), peerId, 'offerer', transport, undefined);
  }

  /** The best way that both ends have and that has not failed yet. */
  #untried(peerId: PeerId): Transport | undefined {
    const failed = this.#failedWays.get(peerId);
    return this.#options.transports.find(
      (transport) =>
        !failed?.has(transport.way) && (transport === this.#first || this.#options.hasWay(peerId, transport.way)),
    );
  }

  /**
   * An unknown attempt: worth answering when it is its opening record. When both ends dial at once, the attempt of the
   * smaller id goes on and the other end gives its own up.
   */
  #answer(
    { sessionId, from, role, index, way = this.#first.way }: SessionDescription,
    source: SourceId | undefined,
  ): Session | undefined {
    if (role !== 'offerer' || index !== 0) return undefined;
    const transport = this.#options.transports.find((known) => known.way === way);
    if (transport === undefined) return undefined;
    const before = this.#attempts.get(from);
    if (before?.role === 'offerer' && this.#options.identity.peerId < from) return undefined;
    if (before === undefined && this.#sessions.size >= MAX_SESSIONS) return undefined;
    const session = this.#startSession(sessionId, from, 'answerer', transport, source);
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
    const { identity, clock, logger } = this.#options;
    // The link may signal before the session exists; what it says is kept until then.
    let session: Session | undefined;
    const early: string[] = [];
    const link = new Link({
      transport,
      initiator: role === 'offerer',
      iceServers: [...this.#iceServers.values()].flat(),
      self: identity.peerId,
      remote,
      clock,
      logger,
      onSignal: (payload) => {
        if (session === undefined) early.push(payload);
        else this.#describe(session, payload);
      },
      onOpen: () => session && this.#handleOpen(session),
      onMessage: (from, message) => this.#options.onMessage(from, message),
      onProbeAnswered: () => this.#options.onThere?.(remote),
      onStream: ({ remote: from }, offer) => this.#streamHandlers.handle(offer, from),
      onClose: (_link, error) => session && this.#handleClose(session, error),
    });
    session = {
      id,
      remote,
      role,
      source,
      link,
      openedMs: undefined,
      nextSentIndex: 0,
      nextReceivedIndex: 0,
    };
    this.#sessions.set(id, session);
    this.#attempts.set(remote, session);
    for (const payload of early) this.#describe(session, payload);
    return session;
  }

  #describe(session: Session, payload: string): void {
    const description: SessionDescription = {
      type: 'session-description',
      from: this.#options.identity.peerId,
      to: session.remote,
      sessionId: session.id,
      role: session.role,
      index: session.nextSentIndex,
      ...(session.link.way === this.#first.way ? {} : { way: session.link.way }),
      payload,
    };
    session.nextSentIndex += 1;
    this.#options.describe(session.remote, this.#options.identity.sign(description), session.source);
  }

  #handleOpen(session: Session): void {
    const { link, remote } = session;
    const replaced = this.#open.get(remote);
    session.openedMs = this.#options.clock.monotonicMs();
    this.#open.set(remote, link);
    if (this.#attempts.get(remote) === session) this.#attempts.delete(remote);
    // The peer came back without this end having noticed that it was gone.
    replaced?.close('replaced by a newer link');
    this.#options.onOpen(link);
    this.#settle(remote, undefined);
  }

  #handleClose({ id, remote, role, link, openedMs }: Session, error: Error | undefined): void {
    const { clock, logger } = this.#options;
    this.#sessions.delete(id);
    if (this.#open.get(remote) === link) this.#open.delete(remote);
    if (this.#attempts.get(remote)?.id === id) this.#attempts.delete(remote);
    if (error !== undefined) logger.debug({ peer: remote, error: error.message }, 'A link closed.');
    // Replaced ones too: what runs on them is over.
    if (openedMs !== undefined) this.#options.onClose(link, error);
    if (this.#closed || this.#open.has(remote) || this.#attempts.has(remote)) return;
    if (openedMs === undefined) {
      if (role === 'offerer') this.#noteFailedWay(remote, link.way);
      this.#settle(remote, asConnectionFailed(error));
    } else if (clock.monotonicMs() - openedMs > STEADY_MS) this.#failures.delete(remote);
    if (this.#wanted.has(remote) && !this.#attempts.has(remote)) this.#redialLater(remote);
  }

  #noteFailedWay(peerId: PeerId, way: string): void {
    this.#failedWays.set(peerId, (this.#failedWays.get(peerId) ?? new Set()).add(way));
  }

  #redialLater(peerId: PeerId): void {
    if (this.#redials.has(peerId)) return;
    const failures = this.#failures.get(peerId) ?? 0;
    this.#failures.set(peerId, failures + 1);
    const cancel = this.#options.clock.after(backoffMs(failures, this.#options.random), () => {
      this.#redials.delete(peerId);
      if (!this.#open.has(peerId) && !this.#attempts.has(peerId)) this.#dial(peerId);
    });
    this.#redials.set(peerId, cancel);
  }

  #settle(peerId: PeerId, error: Error | undefined): void {
    const waiters = this.#waiting.get(peerId);
    this.#waiting.delete(peerId);
    if (waiters !== undefined) for (const settle of [...waiters]) settle(error);
  }
}

/** However the attempt failed (a peer of another protocol included): another peer may be tried. */
function asConnectionFailed(error: Error | undefined): MeshError {
  if (MeshError.is(error, 'connection_failed')) return error;
  return MeshError.connectionFailed(error?.message ?? 'it was given up', error);
}
