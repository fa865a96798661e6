/**
 * The signaling hub: members prove their key, hear of each other, and exchange signed session descriptions that the
 * entry passes on unread. It knows who is there; what they say to each other it never sees.
 */
import type { Server as HttpServer } from 'node:http';
import {
  type AnswerReport,
  type Clock,
  type IceServer,
  type JoinRefusal,
  type Logger,
  MAX_SIGNALING_BYTES,
  type MemberToServerEvents,
  type PeerId,
  type Random,
  type ServerToMemberEvents,
} from '@tabmesh/shared';
import { Server } from 'socket.io';
import { type Callers, createCallers } from '../access/callers.ts';
import { DEFAULT_HUB_LIMITS, ECHOED_CHARS, type HubLimits, MEMBER_BACKLOG_BYTES } from '../limits/limits.ts';
import { networkOf } from '../limits/network.ts';
import { BucketPerKey } from '../limits/rate-limit.ts';
import { FatRecords } from './fat-records.ts';
import { HubRoster } from './hub-roster.ts';
import { LinkAttempts } from './link-attempts.ts';
import { MemberConnection, type MemberSocket, refuseSocket } from './member-connection.ts';
import { NetworkPlaces } from './network-places.ts';
import { isOwnAddress } from './own-address.ts';
import { PlausibleReports } from './plausible-reports.ts';
import { RosterFeed } from './roster-feed.ts';
import type { SendBuffer } from './send-buffer.ts';
import { UnreadWatch } from './unread-watch.ts';

export interface HubOptions {
  /** Need not listen yet. The hub takes `/socket.io/` and leaves the rest. */
  readonly server: HttpServer;
  readonly entryPeerId: PeerId | null;
  /** Names and addresses without ports that lead here in front of a proxy, a tunnel or a NAT, beside what a socket shows. */
  readonly hosts?: readonly string[];
  readonly iceServers: readonly IceServer[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly limits?: Partial<HubLimits>;
  /** Whose pages may join, and from where. Default: no proxy is trusted, and no name is known but this machine's. */
  readonly callers?: Pick<Callers, 'addressOf' | 'mayJoin'>;
  /**
   * A member's answer ended. Who answered is a member that announces the model, with a context that so many tokens fit
   * in, and counts about as many answers itself; the rest is the asker's word, within what one can read.
   */
  onReport?(from: PeerId, report: AnswerReport): void;
}

export interface Hub {
  memberCount(): number;
  /** What members were sent and have not taken, in the memory of this process. */
  unreadBytes(): number;
  /** Disconnects everyone; the HTTP server stays. Idempotent. */
  close(): void;
}

/** The room of socket.io that hears of the roster. */
const MEMBERS = 'members';

interface Member {
  readonly connection: MemberConnection;
  readonly buffer: SendBuffer;
}

export function createHub(options: HubOptions): Hub {
  return new SignalingHub(options);
}

class SignalingHub implements Hub {
  readonly #options: HubOptions;
  readonly #limits: HubLimits;
  readonly #server: Server<MemberToServerEvents, ServerToMemberEvents>;
  readonly #members = new Map<PeerId, Member>();
  readonly #feeds = new Set<RosterFeed>();
  readonly #unread: UnreadWatch;
  readonly #attempts: LinkAttempts;
  readonly #reports: PlausibleReports;
  readonly #fat = new FatRecords();
  readonly #places: NetworkPlaces;
  readonly #joins: BucketPerKey;
  readonly #roster: HubRoster;
  readonly #callers: Pick<Callers, 'addressOf' | 'mayJoin'>;

  constructor(options: HubOptions) {
    this.#options = options;
    this.#callers = options.callers ?? createCallers({ hosts: [] });
    this.#limits = { ...DEFAULT_HUB_LIMITS, ...options.limits };
    this.#places = new NetworkPlaces(this.#limits.membersPerNetwork);
    this.#joins = new BucketPerKey(this.#limits.joinsPerAddress, options.clock);
    this.#server = new Server(options.server, {
      // A second, slower way in would only be more to defend: every engine that has WebRTC has WebSocket.
      transports: ['websocket'],
      serveClient: false,
      maxHttpBufferSize: MAX_SIGNALING_BYTES,
      pingInterval: this.#limits.pingIntervalMs,
      pingTimeout: this.#limits.pingTimeoutMs,
      connectTimeout: this.#limits.joinTimeoutMs,
      allowRequest: (request, decide) => {
        // WebSockets ignore the same-origin policy: without this any site that a visitor opens could join the mesh of a
        // loopback entry through the visitor's browser.
        const may = this.#callers.mayJoin(request);
        const origin = request.headers.origin?.slice(0, ECHOED_CHARS);
        if (!may) options.logger.warn({ origin }, 'A page of another site was kept out.');
        decide(may ? null : 'A page of another site may not join this entry.', may);
      },
    });
    this.#attempts = new LinkAttempts(options.clock);
    this.#reports = new PlausibleReports(options.clock);
    this.#unread = new UnreadWatch((socket, heldBytes) =>
      options.logger.warn(
        { address: this.#callers.addressOf(socket.request), heldBytes },
        'A member that does not read was cut off.',
      ),
    );
    this.#roster = new HubRoster(options.clock, (delta, knownChange) => {
      for (const feed of this.#feeds) feed.beforeChange(knownChange);
      // To a room, so that socket.io encodes a delta once, however many members hear it.
      this.#server.to(MEMBERS).emit('roster', delta);
    });
    this.#server.on('connection', (socket) => this.#connect(socket));
  }

  memberCount(): number {
    return this.#members.size;
  }

  unreadBytes(): number {
    return this.#unread.heldBytes;
  }

  close(): void {
    this.#roster.close();
    this.#unread.close();
    this.#server.disconnectSockets(true);
    this.#server.engine.close();
  }

  #connect(socket: MemberSocket): void {
    const refusal = this.#refusalOf(socket);
    if (refusal !== undefined) {
      this.#options.logger.warn(
        { address: this.#callers.addressOf(socket.request), ...refusal },
        'A connection was refused.',
      );
      refuseSocket(socket, refusal);
      return;
    }
    const { clock, random, logger } = this.#options;
    const network = networkOf(this.#callers.addressOf(socket.request));
    const buffer = this.#unread.add(socket);
    let peerId: PeerId | undefined;
    let feed: RosterFeed | undefined;
    const { entryPeerId, hosts = [] } = this.#options;
    const connection = new MemberConnection({
      socket,
      clock,
      random,
      logger,
      limits: this.#limits,
      entryPeerId,
      leadsHere: (named) => isOwnAddress(named, socket.request, hosts),
      onJoin: (announcement, record) => {
        // The entry's own member is no guest.
        const isGuest = announcement.peerId !== entryPeerId;
        if (isGuest) this.#places.check(announcement.peerId, network);
        this.#fat.take(announcement.peerId, network, record);
        if (isGuest) this.#places.take(announcement.peerId, network);
        peerId = announcement.peerId;
        this.#replace(peerId, { connection, buffer });
        this.#roster.put(announcement, record);
        feed = this.#welcome(socket, buffer);
        logger.info({ peerId, kind: announcement.kind, members: this.#members.size }, 'A peer joined.');
      },
      onAnnounce: (announcement, record) => {
        this.#fat.take(announcement.peerId, network, record);
        this.#roster.put(announcement, record);
      },
      isOwed: (description) => this.#attempts.isOwed(description),
      onDescribe: (description, record) => {
        const { to } = description;
        const addressee = this.#members.get(to);
        if (addressee === undefined) logger.debug({ from: peerId, to }, 'The addressee of a description has left.');
        else if (!this.#attempts.mayPass(description, network)) {
          logger.debug({ from: peerId, to }, 'An offer was dropped: its member or its network dials too often.');
        }
        // Lost descriptions are sent anew with the next attempt, and nobody is cut off for what others send.
        else if (addressee.buffer.heldBytes > MEMBER_BACKLOG_BYTES) {
          logger.debug({ from: peerId, to }, 'The addressee of a description does not read.');
        } else addressee.connection.socket.emit('description', record);
      },
      onReport: (report) => {
        if (peerId !== undefined && this.#counts(peerId, network, report)) this.#options.onReport?.(peerId, report);
      },
      onLeave: () => {
        feed?.close();
        if (feed !== undefined) this.#feeds.delete(feed);
        if (peerId === undefined || this.#members.get(peerId)?.connection !== connection) return;
        this.#members.delete(peerId);
        this.#fat.release(peerId);
        this.#places.release(peerId);
        this.#roster.remove(peerId);
        logger.info({ peerId, members: this.#members.size }, 'A peer left.');
      },
    });
  }

  #counts(from: PeerId, network: string, report: AnswerReport): boolean {
    if (report.servedBy === 'failed') return true;
    const served = this.#roster.modelsOf(report.peerId).find(({ id }) => id === report.model);
    return this.#reports.take(from, network, report, served);
  }

  #refusalOf(socket: MemberSocket): JoinRefusal | undefined {
    if (!this.#joins.take(networkOf(this.#callers.addressOf(socket.request)))) {
      return {
        code: 'mesh_busy',
        message: 'Too many joins from this address. Try again in a few seconds.',
      };
    }
    if (this.#members.size >= this.#limits.members) {
      return {
        code: 'mesh_busy',
        message: 'This entry has no room for another peer. Try again later or join another.',
      };
    }
    return undefined;
  }

  /** The newer connection wins: the older is mostly a dead one that TCP has not given up yet. */
  #replace(peerId: PeerId, member: Member): void {
    const old = this.#members.get(peerId);
    this.#members.set(peerId, member);
    old?.connection.refuse({
      code: 'protocol_violation',
      message: 'The same key has joined again from elsewhere, and the newer connection stays. Use one key per peer.',
      final: true,
    });
  }

  #welcome(socket: MemberSocket, buffer: SendBuffer): RosterFeed {
    const { clock, logger } = this.#options;
    const roster = this.#roster.everything();
    const first = roster.next().value;
    const iceServers = this.#options.iceServers.map(({ urls, username, credential }) => ({
      urls: typeof urls === 'string' ? urls : [...urls],
      username,
      credential,
    }));
    socket.emit('welcome', {
      entryPeerId: this.#options.entryPeerId,
      iceServers,
      roster: typeof first === 'string' ? [] : first.upserted,
    });
    const feed = new RosterFeed(
      {
        clock,
        buffer,
        changesSince: (change) => this.#roster.changesSince(change),
        send: (delta) => socket.emit('roster', delta),
        onState: (state) => void (state === 'current' ? socket.join(MEMBERS) : socket.leave(MEMBERS)),
        onLost: () => {
          logger.info(
            { address: this.#callers.addressOf(socket.request) },
            'A member that does not keep up was cut off.',
          );
          buffer.cut();
        },
      },
      roster,
    );
    this.#feeds.add(feed);
    return feed;
  }
}
