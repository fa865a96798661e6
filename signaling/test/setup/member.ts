/** What the hub's tests need of a peer: a key, its announcements, and a bare socket whose events can be awaited. */
import {
  type Announcement,
  type Challenge,
  createIdentity,
  type Identity,
  type MemberToServerEvents,
  type PeerId,
  PROTOCOL_VERSION,
  type ServerToMemberEvents,
  type SignedRecord,
  systemClock,
  systemRandom,
} from '@tabmesh/shared';
import { io, type Socket } from 'socket.io-client';

type MemberSocket = Socket<ServerToMemberEvents, MemberToServerEvents>;

export interface TestMember {
  readonly identity: Identity;
  readonly peerId: PeerId;
  announcement(fields?: Partial<Announcement>): SignedRecord;
  description(to: PeerId, fields?: object): SignedRecord;
}

export function createMember(): TestMember {
  const identity = createIdentity(systemRandom);
  let sequence = 0;
  return {
    identity,
    peerId: identity.peerId,
    announcement: (fields = {}) =>
      identity.sign({
        type: 'announcement',
        peerId: identity.peerId,
        kind: 'native',
        version: 'test',
        sequence: ++sequence,
        issuedAtMs: systemClock.wallMs(),
        lifetimeMs: 60_000,
        state: 'ready',
        memoryBytes: null,
        models: [],
        links: [],
        ...fields,
      }),
    description: (to, fields = {}) =>
      identity.sign({
        type: 'session-description',
        from: identity.peerId,
        to,
        sessionId: '0'.repeat(32),
        role: 'offerer',
        index: 0,
        payload: '{}',
        ...fields,
      }),
  };
}

export interface TestSocket extends MemberSocket {
  /** Caught from the start, since it comes unasked. */
  readonly challenge: Promise<Challenge>;
}

/** A socket as the adapter opens it, but without manners. */
export function openSocket(url: string, options: { extraHeaders?: Record<string, string> } = {}): TestSocket {
  const socket: MemberSocket = io(url, {
    transports: ['websocket'],
    reconnection: false,
    forceNew: true,
    ...options,
  });
  const challenge = new Promise<Challenge>((resolve) => socket.once('challenge', resolve));
  return Object.assign(socket, { challenge });
}

/** The payload of the next `event`; rejects when the connection ends first. */
export function next<Event extends keyof ServerToMemberEvents>(
  socket: TestSocket,
  event: Event,
): Promise<Parameters<ServerToMemberEvents[Event]>[0]> {
  return new Promise((resolve, reject) => {
    const onEvent = (payload: Parameters<ServerToMemberEvents[Event]>[0]) => {
      socket.off('disconnect', onEnd);
      resolve(payload);
    };
    const onEnd = (reason: string) => reject(new Error(`The connection ended (${reason}) before '${event}'.`));
    socket.once(event, onEvent as never);
    socket.once('disconnect', onEnd);
  });
}

/** Why the connection ended. */
export function ended(socket: TestSocket): Promise<string> {
  return new Promise((resolve) => socket.once('disconnect', resolve));
}

/** Answers the challenge and resolves with the welcome. */
export async function join(socket: TestSocket, member: TestMember, announcement = member.announcement()) {
  const { nonce } = await socket.challenge;
  const welcome = next(socket, 'welcome');
  const refused = next(socket, 'refused').then(({ message }) => {
    throw new Error(`The join was refused: ${message}`);
  });
  socket.emit('join', {
    protocol: PROTOCOL_VERSION,
    proof: member.identity.sign({
      type: 'join-proof',
      peerId: member.peerId,
      nonce,
    }),
    announcement,
  });
  return Promise.race([welcome, refused]).finally(() => {
    for (const other of [welcome, refused]) other.catch(() => {});
  });
}

export function servedModel(id: string) {
  return {
    id: id as never,
    classId: '0'.repeat(32) as never,
    family: 'scripted' as const,
    backend: 'x'.repeat(100),
    contextTokens: 1024,
    slots: 1,
    inFlight: 0,
    queued: 0,
    sizeBytes: 1,
    features: [],
    measured: null,
    baseline: null,
  };
}
