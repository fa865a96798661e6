/**
 * The real way to an entry: socket.io over WebSocket, in browsers and Node alike. One mechanism of its own reconnects
 * after whatever went wrong (socket.io's does not after a disconnect by the server), until a refusal is final. Each try
 * has a socket of its own: socket.io keeps what it can't send and sends it first on the next connection of the same
 * socket, where it would come before the join and mean nothing any more.
 */
import { io, type Socket } from 'socket.io-client';
import type { z } from 'zod/mini';
import { backoffMs } from '../backoff.ts';
import { MeshError } from '../errors.ts';
import { JOIN_TIMEOUT_MS, STEADY_ENTRY_MS } from '../limits.ts';
import { type Logger, silentLogger } from '../ports/logger.ts';
import type { Signaling, SignalingHandlers } from '../ports/signaling.ts';
import { SignedRecord } from '../protocol/announcement.ts';
import { PROTOCOL_VERSION } from '../protocol/messages.ts';
import {
  Challenge,
  isFinalRefusal,
  JoinRefusal,
  type MemberToServerEvents,
  RosterDelta,
  type ServerToMemberEvents,
  Welcome,
} from '../protocol/signaling.ts';
import { systemClock, systemRandom } from './system.ts';

export interface SocketIoSignalingOptions {
  /** The entry's address; a path behind the host is ignored. */
  readonly url: string;
  readonly logger?: Logger;
}

type EntrySocket = Socket<ServerToMemberEvents, MemberToServerEvents>;

/** One connection to the entry, or the try to get one. */
interface Connection {
  readonly socket: EntrySocket;
  phase:
    | { readonly state: 'connecting' }
    /** The join was sent. What would be announced meanwhile waits for the welcome. */
    | { readonly state: 'joining'; unsaid: SignedRecord | undefined }
    | { readonly state: 'joined'; readonly sinceMs: number };
  readonly timer: ReturnType<typeof setTimeout>;
}

/** Of an entry that does not take the socket either. */
const REFUSAL_TIMEOUT_MS = 2_000;
const RETRIES = { firstMs: 250, longestMs: 10_000 };

/** @throws MeshError `invalid_request` when `url` is no http(s) address. */
export function createSocketIoSignaling(options: SocketIoSignalingOptions): Signaling {
  const { origin, host } = entryAt(options.url);
  const logger = options.logger ?? silentLogger;
  /** Undefined between two tries, and once it is closed. */
  let current: Connection | undefined;
  let isClosed = false;
  let failures = 0;
  // Not the core's clock: a peer that waits for its entry is no program that has ended.
  let retry: ReturnType<typeof setTimeout> | undefined;

  return {
    start: connect,
    announce(announcement) {
      if (current?.phase.state === 'joining') current.phase.unsaid = announcement;
      else joinedSocket()?.emit('announce', announcement);
    },
    describe(to, record) {
      joinedSocket()?.emit('describe', { to, record });
    },
    report(report) {
      joinedSocket()?.emit('report', report);
    },
    close,
  };

  function joinedSocket(): EntrySocket | undefined {
    return current?.phase.state === 'joined' && current.socket.connected ? current.socket : undefined;
  }

  function connect(handlers: SignalingHandlers): void {
    if (isClosed) return;
    const socket: EntrySocket = io(origin, {
      transports: ['websocket'],
      autoConnect: false,
      reconnection: false,
      forceNew: true,
      timeout: JOIN_TIMEOUT_MS,
    });
    const connection: Connection = {
      socket,
      phase: { state: 'connecting' },
      timer: setTimeout(
        () => lose(connection, handlers, `the entry at ${origin} did not answer in ${JOIN_TIMEOUT_MS / 1000} s`),
        JOIN_TIMEOUT_MS,
      ),
    };
    current = connection;
    listen(connection, handlers);
    socket.connect();
  }

  function listen(connection: Connection, handlers: SignalingHandlers): void {
    const { socket } = connection;
    socket.on('challenge', (said) => {
      const challenge = accept(Challenge, said, 'challenge');
      if (challenge === undefined || connection.phase.state !== 'connecting') return;
      const { proof, announcement } = handlers.onChallenge(challenge, host);
      connection.phase = { state: 'joining', unsaid: undefined };
      socket.emit('join', { protocol: PROTOCOL_VERSION, proof, announcement });
    });
    socket.on('welcome', (said) => {
      const welcome = accept(Welcome, said, 'welcome');
      if (welcome === undefined) return;
      const { phase } = connection;
      clearTimeout(connection.timer);
      connection.phase = { state: 'joined', sinceMs: systemClock.monotonicMs() };
      if (phase.state === 'joining' && phase.unsaid !== undefined) socket.emit('announce', phase.unsaid);
      handlers.onWelcome(welcome);
    });
    socket.on('refused', (said) => {
      const refusal = accept(JoinRefusal, said, 'refused');
      if (refusal === undefined) return;
      const final = isFinalRefusal(refusal, connection.phase.state === 'joined');
      logger.warn({ origin, ...refusal, final }, 'The entry refused this peer.');
      if (final) close();
      handlers.onRefused({ ...refusal, final });
      lose(connection, handlers, refusal.message);
    });
    socket.on('roster', (said) => {
      const delta = accept(RosterDelta, said, 'roster');
      if (delta !== undefined) handlers.onRoster(delta);
    });
    socket.on('description', (said) => {
      const record = accept(SignedRecord, said, 'description');
      if (record !== undefined) handlers.onDescription(record);
    });
    socket.on('connect_error', (error) => void tellUnreachable(connection, handlers, error));
    socket.on('disconnect', (reason) => lose(connection, handlers, `the connection to ${origin} ended (${reason})`));
  }

  /** A page is not told why its socket did not open. Where the entry refuses it, it refuses all else and says why. */
  async function tellUnreachable(connection: Connection, handlers: SignalingHandlers, error: Error): Promise<void> {
    const said = typeof document === 'undefined' ? undefined : await refusalAt(origin);
    if (current !== connection) return;
    if (said === undefined) return lose(connection, handlers, whyUnreachable(error, origin));
    handlers.onRefused({ code: 'unauthorized', message: said, final: false });
    lose(connection, handlers, said);
  }

  function lose(connection: Connection, handlers: SignalingHandlers, reason: string): void {
    if (current !== connection) return;
    const { phase } = connection;
    // An entry that welcomes and expels by turns is not asked four times a second.
    const wasSteady = phase.state === 'joined' && systemClock.monotonicMs() - phase.sinceMs >= STEADY_ENTRY_MS;
    if (wasSteady) failures = 0;
    drop();
    const pauseMs = backoffMs(failures++, systemRandom, RETRIES);
    logger.info({ origin, reason, pauseMs }, 'The entry is out of reach; trying again.');
    retry = setTimeout(() => connect(handlers), pauseMs);
    handlers.onOffline(reason);
  }

  /** The typed events are a promise of the entry; this is the check. */
  function accept<Schema extends z.ZodMiniType>(schema: Schema, payload: unknown, event: string) {
    const { success, data, error } = schema.safeParse(payload);
    if (!success) logger.warn({ origin, event, issue: error.issues[0] }, 'A message of the entry was dropped.');
    return data;
  }

  function drop(): void {
    if (current === undefined) return;
    const { socket, timer } = current;
    current = undefined;
    clearTimeout(timer);
    socket.off();
    socket.disconnect();
  }

  function close(): void {
    isClosed = true;
    clearTimeout(retry);
    drop();
  }
}

/** The sentence with which an entry refuses whoever asks, if it does; its error has OpenAI's shape. */
async function refusalAt(origin: string): Promise<string | undefined> {
  try {
    const reply = await fetch(`${origin}/healthz`, { signal: AbortSignal.timeout(REFUSAL_TIMEOUT_MS) });
    if (reply.status !== 403) return undefined;
    return JoinRefusal.shape.message.safeParse((await reply.json())?.error?.message).data;
  } catch {
    return undefined;
  }
}

/** Programs are told the status of the refusal, pages are not. */
function whyUnreachable(error: Error, origin: string): string {
  const { description } = error as Error & { readonly description?: { readonly message?: string } };
  if (!description?.message?.endsWith(' 403')) return `no entry answers at ${origin}`;
  const { hostname } = new URL(origin);
  return `the entry at ${origin} does not know that name as its own; start it with --allowed-hosts ${hostname}, or join by its address`;
}

function entryAt(url: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) {
    throw new MeshError(
      'invalid_request',
      `'${url}' is not the address of an entry. Use one like http://127.0.0.1:8080.`,
    );
  }
  return parsed;
}
