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
import {
  DEFAULT_HUB_LIMITS,
  ECHOED_CHARS,
  HUB_PING_INTERVAL_MS,
  HUB_PING_TIMEOUT_MS,
  type HubLimits,
} from '../limits/limits.ts';
import { networkOf } from '../limits/network.ts';
import { BucketPerKey } from '../limits/rate-limit.ts';
import { HubRoster } from './hub-roster.ts';
import { MemberConnection, type MemberSocket, refuseSocket } from './member-connection.ts';

export interface HubOptions {
  /** Need not listen yet. The hub takes `/socket.io/` and leaves the rest. */
  readonly server: HttpServer;
  readonly entryPeerId: PeerId | null;
  readonly iceServers: readonly IceServer[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly limits?: Partial<HubLimits>;
  /** Whose pages may join, and from where. Default: no proxy is trusted, and no name is known but this machine's. */
  readonly callers?: Pick<Callers, 'addressOf' | 'mayJoin'>;
  /**
   * A member's answer ended. Who answered is a member that announces the model, with a context that so many tokens fit
   * in; the rest is the asker's word.
   */
  onReport?(from: PeerId, report: AnswerReport): void;
}

export interface Hub {
  memberCount(): number;
  /** Disconnects everyone; the HTTP server stays. Idempotent. */
  close(): void;
}

/** The room of socket.io that hears of the roster. */
const MEMBERS = 'members';

export function createHub(options: HubOptions): Hub {
  return new SignalingHub(options);
}

class SignalingHub implements Hub {
  readonly #options: HubOptions;
  readonly #limits: HubLimits;
  readonly #server: Server<MemberToServerEvents, ServerToMemberEvents>;
  readonly #members = new Map<PeerId, MemberConnection>();
  readonly #joins: BucketPerKey;
  readonly #roster: HubRoster;
  readonly #callers: Pick<Callers, 'addressOf' | 'mayJoin'>;

  constructor(options: HubOptions) {
    this.#options = options;
    this.#callers = options.callers ?? createCallers({ hosts: [] });
    this.#limits = { ...DEFAULT_HUB_LIMITS, ...options.limits };
    this.#joins = new BucketPerKey(this.#limits.joinsPerAddress, options.clock);
    this.#server = new Server(options.server, {
      // A second, slower way in would only be more to defend: every engine that has WebRTC has WebSocket.
      transports: ['websocket'],
      serveClient: false,
      maxHttpBufferSize: MAX_SIGNALING_BYTES,
      pingInterval: HUB_PING_INTERVAL_MS,
      pingTimeout: HUB_PING_TIMEOUT_MS,
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
    // To a room, so that socket.io encodes a delta once, however many members hear it.
    this.#roster = new HubRoster(options.clock, (delta) => this.#server.to(MEMBERS).emit('roster', delta));
    this.#server.on('connection', (socket) => this.#connect(socket));
  }

  memberCount(): number {
    return this.#members.size;
  }

  close(): void {
    this.#roster.close();
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
    let peerId: PeerId | undefined;
    const connection = new MemberConnection({
      socket,
      clock,
      random,
      logger,
      limits: this.#limits,
      onJoin: (announcement, record) => {
        peerId = announcement.peerId;
        this.#replace(peerId, connection);
        this.#roster.put(announcement, record);
        this.#welcome(socket);
        logger.info({ peerId, kind: announcement.kind, members: this.#members.size }, 'A peer joined.');
      },
      onAnnounce: (announcement, record) => this.#roster.put(announcement, record),
      onDescribe: (to, record) => {
        const addressee = this.#members.get(to);
        if (addressee === undefined) logger.debug({ from: peerId, to }, 'The addressee of a description has left.');
        else addressee.socket.emit('description', record);
      },
      onReport: (report) => {
        if (peerId !== undefined && this.#isPossible(report)) this.#options.onReport?.(peerId, report);
      },
      onLeave: () => {
        if (peerId === undefined || this.#members.get(peerId) !== connection) return;
        this.#members.delete(peerId);
        this.#roster.remove(peerId);
        logger.info({ peerId, members: this.#members.size }, 'A peer left.');
      },
    });
  }

  #isPossible(report: AnswerReport): boolean {
    if (report.servedBy === 'failed') return true;
    const served = this.#roster.modelsOf(report.peerId).find(({ id }) => id === report.model);
    return served !== undefined && report.completionTokens <= served.contextTokens;
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
  #replace(peerId: PeerId, connection: MemberConnection): void {
    const old = this.#members.get(peerId);
    this.#members.set(peerId, connection);
    old?.refuse({
      code: 'protocol_violation',
      message: 'The same key has joined again from elsewhere, and the newer connection stays. Use one key per peer.',
    });
  }

  #welcome(socket: MemberSocket): void {
    const [first = [], ...rest] = this.#roster.parts();
    const iceServers = this.#options.iceServers.map(({ urls, username, credential }) => ({
      urls: typeof urls === 'string' ? urls : [...urls],
      username,
      credential,
    }));
    socket.emit('welcome', {
      entryPeerId: this.#options.entryPeerId,
      iceServers,
      roster: first,
    });
    for (const upserted of rest) socket.emit('roster', { upserted, removed: [] });
    socket.join(MEMBERS);
  }
}
