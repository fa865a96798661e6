/**
 * The real way to an entry: socket.io over WebSocket, in browsers and Node alike. One mechanism of its own reconnects
 * after whatever went wrong (socket.io's does not after a disconnect by the server), until a refusal is final.
 */
import { io, type Socket } from 'socket.io-client';
import type { z } from 'zod/mini';
import { backoffMs } from '../backoff.ts';
import { MeshError } from '../errors.ts';
import { JOIN_TIMEOUT_MS } from '../limits.ts';
import { type Logger, silentLogger } from '../ports/logger.ts';
import type { Signaling, SignalingHandlers } from '../ports/signaling.ts';
import { SignedRecord } from '../protocol/announcement.ts';
import { PROTOCOL_VERSION } from '../protocol/messages.ts';
import {
  Challenge,
  JoinRefusal,
  type MemberToServerEvents,
  RosterDelta,
  type ServerToMemberEvents,
  Welcome,
} from '../protocol/signaling.ts';
import { systemRandom } from './system.ts';

export interface SocketIoSignalingOptions {
  /** The entry's address; a path behind the host is ignored. */
  readonly url: string;
  readonly logger?: Logger;
}

const RETRIES = { firstMs: 250, longestMs: 10_000 };

/** @throws MeshError `invalid_request` when `url` is no http(s) address. */
export function createSocketIoSignaling(options: SocketIoSignalingOptions): Signaling {
  const origin = originOf(options.url);
  const logger = options.logger ?? silentLogger;
  const socket: Socket<ServerToMemberEvents, MemberToServerEvents> = io(origin, {
    transports: ['websocket'],
    autoConnect: false,
    reconnection: false,
    forceNew: true,
    timeout: JOIN_TIMEOUT_MS,
  });
  // `joined`: the join was sent; what follows it is read after it, so nothing need wait for the welcome.
  let phase: 'offline' | 'connecting' | 'joined' | 'closed' = 'offline';
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  return {
    start(handlers) {
      listen(handlers);
      connect(handlers);
    },
    announce(announcement) {
      if (phase === 'joined') socket.emit('announce', announcement);
    },
    describe(to, record) {
      if (phase === 'joined') socket.emit('describe', { to, record });
    },
    report(report) {
      if (phase === 'joined') socket.emit('report', report);
    },
    close,
  };

  function connect(handlers: SignalingHandlers): void {
    if (phase !== 'offline') return;
    phase = 'connecting';
    timer = setTimeout(() => {
      lose(handlers, `the entry at ${origin} did not answer in ${JOIN_TIMEOUT_MS / 1000} s`);
      socket.disconnect();
    }, JOIN_TIMEOUT_MS);
    socket.connect();
  }

  function listen(handlers: SignalingHandlers): void {
    socket.on('challenge', (said) => {
      const challenge = accept(Challenge, said, 'challenge');
      if (challenge === undefined || phase !== 'connecting') return;
      const { proof, announcement } = handlers.onChallenge(challenge);
      phase = 'joined';
      socket.emit('join', { protocol: PROTOCOL_VERSION, proof, announcement });
    });
    socket.on('welcome', (said) => {
      const welcome = accept(Welcome, said, 'welcome');
      if (welcome === undefined) return;
      failures = 0;
      clearTimeout(timer);
      handlers.onWelcome(welcome);
    });
    socket.on('refused', (said) => {
      const refusal = accept(JoinRefusal, said, 'refused');
      if (refusal === undefined) return;
      logger.warn({ origin, ...refusal }, 'The entry refused this peer.');
      // Everything else would be refused again, or, with one key in two places, go round in circles.
      if (refusal.code !== 'mesh_busy') close();
      handlers.onRefused(refusal);
    });
    socket.on('roster', (said) => {
      const delta = accept(RosterDelta, said, 'roster');
      if (delta !== undefined) handlers.onRoster(delta);
    });
    socket.on('description', (said) => {
      const record = accept(SignedRecord, said, 'description');
      if (record !== undefined) handlers.onDescription(record);
    });
    socket.on('connect_error', (error) => lose(handlers, whyUnreachable(error, origin)));
    socket.on('disconnect', (reason) => lose(handlers, `the connection to ${origin} ended (${reason})`));
  }

  function lose(handlers: SignalingHandlers, reason: string): void {
    if (phase === 'offline' || phase === 'closed') return;
    phase = 'offline';
    clearTimeout(timer);
    const pauseMs = backoffMs(failures++, systemRandom, RETRIES);
    logger.info({ origin, reason, pauseMs }, 'The entry is out of reach; trying again.');
    timer = setTimeout(() => connect(handlers), pauseMs);
    handlers.onOffline(reason);
  }

  /** The typed events are a promise of the entry; this is the check. */
  function accept<Schema extends z.ZodMiniType>(schema: Schema, payload: unknown, event: string) {
    const { success, data, error } = schema.safeParse(payload);
    if (!success) logger.warn({ origin, event, issue: error.issues[0] }, 'A message of the entry was dropped.');
    return data;
  }

  function close(): void {
    phase = 'closed';
    clearTimeout(timer);
    socket.disconnect();
  }
}

/** Programs are told the status of the refusal, pages are not. */
function whyUnreachable(error: Error, origin: string): string {
  const { description } = error as Error & { readonly description?: { readonly message?: string } };
  if (!description?.message?.endsWith(' 403')) return `no entry answers at ${origin}`;
  const { hostname } = new URL(origin);
  return `the entry at ${origin} does not know that name as its own; start it with --allowed-hosts ${hostname}, or join by its address`;
}

function originOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) {
    throw new MeshError(
      'invalid_request',
      `'${url}' is not the address of an entry. Use one like http://127.0.0.1:8080.`,
    );
  }
  return parsed.origin;
}
