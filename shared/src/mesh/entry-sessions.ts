/**
 * This end's entries: joins each, tells each what this end announces, and hands on what each brings. One that is out of
 * reach costs nothing while another is there; the member is online as long as it has one.
 */
import { EntryTime } from '../membership/entry-time.ts';
import type { Clock } from '../ports/clock.ts';
import type { Signaling, SignalingHandlers } from '../ports/signaling.ts';
import type { Signer } from '../ports/signer.ts';
import { printable } from '../printable.ts';
import type { SignedRecord } from '../protocol/announcement.ts';
import { type PeerId, SourceId } from '../protocol/ids.ts';
import type { AnswerReport, Welcome } from '../protocol/signaling.ts';
import type { MeshConnection } from './mesh-interface.ts';

export interface EntrySessionsOptions {
  readonly clock: Clock;
  readonly identity: Signer;
  readonly signaling: readonly Signaling[];
  /** This end's announcement. @param issuedAtMs by the clock of the entry that gets it */
  sign(issuedAtMs: number): SignedRecord;
  /** Whether the source vouches for the peer. */
  isKnownTo(source: SourceId, peerId: PeerId): boolean;
  onWelcome(source: SourceId, welcome: Welcome): void;
  onRoster(source: SourceId, delta: Parameters<SignalingHandlers['onRoster']>[0]): void;
  onDescription(source: SourceId, record: SignedRecord): void;
  /** The connection of one of them, and perhaps of this end, is another one. */
  onChange(): void;
}

interface Session {
  readonly source: SourceId;
  readonly signaling: Signaling;
  connection: MeshConnection;
  time: EntryTime | undefined;
  /** The entry's own id, as it told. */
  entryPeerId: PeerId | null;
  /** Others were told of a change since the record that its join carries. */
  isBehind: boolean;
}

export class EntrySessions {
  readonly #options: EntrySessionsOptions;
  readonly #sessions: readonly Session[];
  /** Those who asked before an entry answered; they wait for its first word, whatever it is. */
  readonly #waiting = new Set<() => void>();
  #closed = false;

  constructor(options: EntrySessionsOptions) {
    this.#options = options;
    this.#sessions = options.signaling.map((signaling, index) => ({
      source: SourceId.parse(`entry-${index + 1}`),
      signaling,
      connection: { state: 'joining' },
      time: undefined,
      entryPeerId: null,
      isBehind: false,
    }));
  }

  start(): void {
    for (const session of this.#sessions) this.#start(session);
  }

  /** Online where one entry is; else what is most hopeful of all. */
  connection(): MeshConnection {
    if (this.#closed) return { state: 'closed' };
    for (const state of ['online', 'joining', 'offline', 'refused'] as const) {
      const session = this.#sessions.find(({ connection }) => connection.state === state);
      if (session !== undefined) return session.connection;
    }
    return { state: 'offline', reason: 'this end has no entry' };
  }

  isOnline(source: SourceId): boolean {
    return this.#sessions.some((session) => session.source === source && session.connection.state === 'online');
  }

  /** Whether one of the entries said so of itself: others may call themselves what they like. */
  isEntry(peerId: PeerId): boolean {
    return this.#sessions.some(({ entryPeerId }) => entryPeerId === peerId);
  }

  /** The entries that are there and vouch for the peer. */
  sourcesOf(peerId: PeerId): SourceId[] {
    const { isKnownTo } = this.#options;
    return this.#online().flatMap(({ source }) => (isKnownTo(source, peerId) ? [source] : []));
  }

  /** A prompt that is faster than the join waits for it. */
  async joined(signal: AbortSignal): Promise<void> {
    if (this.connection().state !== 'joining' || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const release = () => {
        this.#waiting.delete(release);
        signal.removeEventListener('abort', release);
        resolve();
      };
      this.#waiting.add(release);
      signal.addEventListener('abort', release);
    });
  }

  /** A fresh announcement to every entry. */
  announce(): void {
    for (const session of this.#sessions) {
      if (session.connection.state === 'online') this.#announceTo(session);
      else session.isBehind = true;
    }
  }

  /** By one entry only: by `source` where it is there, else by one that knows the addressee. */
  describe(to: PeerId, record: SignedRecord, source: SourceId | undefined): void {
    this.#sessionFor(to, source)?.signaling.describe(to, record);
  }

  /** To one entry only, which would be counted twice otherwise: one that knows the peer that answered. */
  report(report: AnswerReport): void {
    const session = this.#sessionFor(report.servedBy === 'mesh' ? report.peerId : undefined, undefined);
    session?.signaling.report(report);
  }

  close(): void {
    this.#closed = true;
    for (const { signaling } of this.#sessions) signaling.close();
    this.#release();
  }

  #start(session: Session): void {
    const { clock, identity, sign, onWelcome, onRoster, onDescription } = this.#options;
    const { source, signaling } = session;
    signaling.start({
      onChallenge({ nonce, nowMs }, entry) {
        session.time = new EntryTime(clock, nowMs);
        session.isBehind = false;
        return {
          proof: identity.sign({ type: 'join-proof', peerId: identity.peerId, nonce, entry }),
          announcement: sign(nowMs),
        };
      },
      onWelcome: (welcome) => {
        session.entryPeerId = welcome.entryPeerId;
        onWelcome(source, welcome);
        this.#set(session, { state: 'online' });
        if (session.isBehind) this.#announceTo(session);
      },
      onRefused: ({ final, code, message: said }) => {
        const message = printable(said);
        if (final) this.#set(session, { state: 'refused', code, message });
        else this.#set(session, { state: 'offline', reason: message, isRefused: true });
      },
      onOffline: (said) => {
        const reason = printable(said);
        const { connection } = session;
        // The last word of an entry says more than that its connection has ended, until another try has another end.
        const isRefused =
          connection.state === 'offline' && connection.isRefused === true && connection.reason === reason;
        if (!isRefused) this.#set(session, { state: 'offline', reason });
      },
      onRoster: (delta) => onRoster(source, delta),
      onDescription: (record) => onDescription(source, record),
    });
  }

  #announceTo({ signaling, time }: Session): void {
    if (time !== undefined) signaling.announce(this.#options.sign(time.nowMs()));
  }

  #set(session: Session, connection: MeshConnection): void {
    session.connection = connection;
    if (this.connection().state !== 'joining') this.#release();
    this.#options.onChange();
  }

  #release(): void {
    for (const release of [...this.#waiting]) release();
  }

  #online(): readonly Session[] {
    return this.#sessions.filter(({ connection }) => connection.state === 'online');
  }

  #sessionFor(to: PeerId | undefined, source: SourceId | undefined): Session | undefined {
    const online = this.#online();
    return (
      online.find((session) => session.source === source) ??
      (to && online.find((session) => this.#options.isKnownTo(session.source, to))) ??
      online[0]
    );
  }
}
