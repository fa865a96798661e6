/**
 * One socket, from the challenge to its end. Everything that arrives is checked here, by size (socket.io), rate and
 * schema; the hub behind it only sees what is true. What is wrong is dropped with a log line and touches nobody else;
 * who goes on doing wrong is refused and disconnected.
 */
import {
  type Announcement,
  AnswerReport,
  type Clock,
  Describe,
  isOfNewerReport,
  Join,
  type JoinRefusal,
  type Logger,
  type MemberToServerEvents,
  MeshError,
  type PeerId,
  type Random,
  type ServerToMemberEvents,
  type SessionDescription,
  SignedRecord,
  TokenBucket,
} from '@tabmesh/shared';
import type { Socket } from 'socket.io';
import type { z } from 'zod/mini';
import { JOIN_NONCE_BYTES, type MemberLimits, REFUSAL_MESSAGE_CHARS } from '../limits/limits.ts';
import { readAnnouncement, readDescription, readJoin } from './signed-records.ts';

export type MemberSocket = Socket<MemberToServerEvents, ServerToMemberEvents>;

export interface MemberConnectionOptions {
  readonly socket: MemberSocket;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly limits: MemberLimits;
  /** The only key that may call itself an entry. */
  readonly entryPeerId: PeerId | null;
  /** Whether this entry is what a proof names. */
  leadsHere(named: string): boolean;
  onJoin(announcement: Announcement, record: SignedRecord): void;
  onAnnounce(announcement: Announcement, record: SignedRecord): void;
  /** Whether the addressee asked for the description, and so it does not count. */
  isOwed(description: SessionDescription): boolean;
  onDescribe(description: SessionDescription, record: SignedRecord): void;
  onReport(report: AnswerReport): void;
  /** Once, last, if `onJoin` was called: however the connection ended. */
  onLeave(): void;
}

interface Joined {
  readonly state: 'joined';
  readonly peerId: PeerId;
  sequence: number;
}

type Phase =
  | {
      readonly state: 'challenged';
      readonly nonce: string;
      readonly cancelTimeout: () => void;
    }
  | Joined
  | { readonly state: 'gone' };

const KNOWN_EVENTS: ReadonlySet<string> = new Set<keyof MemberToServerEvents>([
  'join',
  'announce',
  'describe',
  'report',
]);

export class MemberConnection {
  readonly #options: MemberConnectionOptions;
  readonly #announcements: TokenBucket;
  readonly #descriptions: TokenBucket;
  readonly #reports: TokenBucket;
  readonly #offences: TokenBucket;
  readonly #unknownEvents: TokenBucket;
  readonly #early: TokenBucket;
  #earlyCount = 0;
  #phase: Phase;

  constructor(options: MemberConnectionOptions) {
    const { socket, clock, random, limits } = options;
    this.#options = options;
    this.#announcements = new TokenBucket(limits.announcements, clock);
    this.#descriptions = new TokenBucket(limits.descriptions, clock);
    this.#reports = new TokenBucket(limits.reports, clock);
    this.#offences = new TokenBucket(limits.offences, clock);
    this.#unknownEvents = new TokenBucket(limits.offences, clock);
    this.#early = new TokenBucket(limits.early, clock);
    const nonce = Buffer.from(random.bytes(JOIN_NONCE_BYTES)).toString('hex');
    // No refusal: a laptop that slept through the challenge shall just connect again.
    const cancelTimeout = clock.after(limits.joinTimeoutMs, () => socket.disconnect(true));
    this.#phase = { state: 'challenged', nonce, cancelTimeout };
    socket.on('join', (join) => this.#receiveJoin(join));
    socket.on('announce', (record) => this.#receive((member) => this.#announce(member, record)));
    socket.on('describe', (describe) => this.#receive((member) => this.#describe(member, describe)));
    socket.on('report', (report) => this.#receive(() => this.#report(report)));
    socket.onAny((event: string) => {
      if (!KNOWN_EVENTS.has(event)) this.#skip(event);
    });
    socket.once('disconnect', (reason) => this.#end(reason));
    socket.emit('challenge', { nonce, nowMs: clock.wallMs() });
  }

  get socket(): MemberSocket {
    return this.#options.socket;
  }

  /** Says why, then disconnects. */
  refuse(refusal: JoinRefusal): void {
    if (this.#phase.state === 'gone') return;
    this.#options.logger.info({ peerId: this.#peerId(), ...refusal }, 'A member was refused.');
    refuseSocket(this.#options.socket, refusal);
    this.#end(refusal.code);
  }

  #receiveJoin(payload: unknown): void {
    const phase = this.#phase;
    if (phase.state === 'gone') return;
    if (phase.state === 'joined') {
      this.#offend(MeshError.protocolViolation('the peer has already joined'));
      return;
    }
    try {
      const join = check(Join, payload);
      const announcement = readJoin(join, phase.nonce, this.#options);
      phase.cancelTimeout();
      this.#phase = {
        state: 'joined',
        peerId: announcement.peerId,
        sequence: announcement.sequence,
      };
      this.#options.onJoin(announcement, join.announcement);
    } catch (error) {
      this.refuse(this.#refusalOf(error));
    }
  }

  #receive(handle: (member: Joined) => void): void {
    const phase = this.#phase;
    if (phase.state === 'gone') return;
    if (phase.state === 'challenged') {
      this.#skipEarly();
      return;
    }
    try {
      handle(phase);
    } catch (error) {
      this.#offend(error);
    }
  }

  /** What waited on the member's last connection is no offence on this one, and means nothing here. */
  #skipEarly(): void {
    this.#earlyCount += 1;
    if (this.#early.take()) return;
    this.refuse(this.#refusalOf(tooFast()));
  }

  #announce(member: Joined, payload: unknown): void {
    spend(this.#announcements);
    const record = check(SignedRecord, payload);
    const announcement = readAnnouncement(record, member.peerId, this.#options);
    if (announcement.sequence <= member.sequence) {
      throw MeshError.protocolViolation(`announcement ${announcement.sequence} came after ${member.sequence}`);
    }
    member.sequence = announcement.sequence;
    this.#options.onAnnounce(announcement, record);
  }

  #describe(member: Joined, payload: unknown): void {
    const { to, record } = check(Describe, payload);
    const description = readDescription(record, member.peerId, to);
    // What a member is made to say by those who dial it is not held against it.
    if (!this.#options.isOwed(description)) spend(this.#descriptions);
    this.#options.onDescribe(description, record);
  }

  /** Who asks much does nothing wrong: what comes too fast is not counted, and that is all. */
  #report(payload: unknown): void {
    if (this.#reports.take() && !isOfNewerReport(payload)) this.#options.onReport(check(AnswerReport, payload));
  }

  /** A newer member says more than this entry knows, which is no offence as long as it is no flood. */
  #skip(event: string): void {
    if (!this.#unknownEvents.take()) this.#offend(MeshError.protocolViolation('its event is unknown'));
    else
      this.#options.logger.debug(
        { peerId: this.#peerId(), event: event.slice(0, 64) },
        'An unknown event was skipped.',
      );
  }

  #offend(error: unknown): void {
    if (this.#phase.state === 'gone') return;
    const { code, message } = this.#refusalOf(error);
    this.#options.logger.warn({ peerId: this.#peerId(), code, reason: message }, 'A message was dropped.');
    if (this.#offences.take()) return;
    this.refuse({
      code,
      message: `Too many messages had to be dropped, last: ${message}`.slice(0, REFUSAL_MESSAGE_CHARS),
    });
  }

  #end(reason: string): void {
    const phase = this.#phase;
    if (phase.state === 'gone') return;
    const { logger } = this.#options;
    logger.debug({ peerId: this.#peerId(), reason, unread: this.#earlyCount }, 'A connection ended.');
    this.#phase = { state: 'gone' };
    if (phase.state === 'challenged') phase.cancelTimeout();
    else this.#options.onLeave();
  }

  #peerId(): PeerId | undefined {
    return this.#phase.state === 'joined' ? this.#phase.peerId : undefined;
  }

  /** A bug of this entry must not take it down, nor be told to a stranger: the member hears of a message not read. */
  #refusalOf(error: unknown): JoinRefusal {
    if (!MeshError.is(error)) {
      this.#options.logger.error({ error }, 'Handling a message failed inside the entry.');
      return {
        code: 'protocol_violation',
        message: 'The message could not be read.',
      };
    }
    const code = error.code === 'signature_invalid' || error.code === 'mesh_busy' ? error.code : 'protocol_violation';
    return { code, message: error.message.slice(0, REFUSAL_MESSAGE_CHARS) };
  }
}

/** Not final unless it says so: whatever else is wrong may be right at another time, or after a restart. */
export function refuseSocket(socket: MemberSocket, refusal: JoinRefusal): void {
  socket.emit('refused', { final: false, ...refusal });
  socket.disconnect(true);
}

function spend(bucket: TokenBucket): void {
  if (!bucket.take()) throw tooFast();
}

function tooFast(): MeshError {
  return new MeshError('mesh_busy', 'Messages arrive faster than this entry takes them.');
}

/** The typed events of socket.io are a promise of the sender; this is the check. */
function check<Schema extends z.ZodMiniType>(schema: Schema, payload: unknown): z.infer<Schema> {
  const result = schema.safeParse(payload);
  if (result.success) return result.data;
  const path = result.error.issues[0]?.path.join('.') ?? '';
  throw MeshError.protocolViolation(path === '' ? 'it has the wrong form' : `'${path}' is wrong`);
}
