/**
 * One end of the mesh's links without the rest of a mesh: joins an entry, dials, answers, echoes. Runs in Node and in tabs.
 */
import {
  type Announcement,
  createIdentity,
  createSocketIoSignaling,
  type Identity,
  JobId,
  type PeerId,
  type PeerKind,
  silentLogger,
  systemClock,
  systemRandom,
  type Transport,
} from '@tabmesh/shared';
import type { JobMessage, Link } from '../../../shared/src/connection/link.ts';
import { Links } from '../../../shared/src/connection/links.ts';

export interface LinkEnd {
  readonly peerId: PeerId;
  /** Milliseconds from asking for a link to having one. */
  connect(to: PeerId): Promise<number>;
  /** Ends all links and resolves when none is left, whichever end hung up. */
  hangUp(): Promise<void>;
  noLinkLeft(): Promise<void>;
  /** Round trips of a message with that much text, one after the other, in milliseconds. */
  roundTripsMs(options: { to: PeerId; count: number; bytes: number }): Promise<number[]>;
  /** Sends until the other end has it all; bytes of text per second. */
  bytesPerSecond(options: { to: PeerId; messages: number; bytes: number }): Promise<number>;
}

/** Resolves when the entry has welcomed this end: from then on signaling is warm. */
export async function joinWithLinks(url: string, kind: PeerKind, transport: Transport): Promise<LinkEnd> {
  const identity = createIdentity(systemRandom);
  const signaling = createSocketIoSignaling({ url });
  const open = new Map<PeerId, Link>();
  let onNoneLeft: (() => void)[] = [];
  let onReply: (message: TokenDelta) => void = () => {};

  const links = new Links({
    identity,
    transports: [transport],
    hasWay: () => false,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    describe: (to, record) => signaling.describe(to, record),
    onOpen: (link) => open.set(link.remote, link),
    onMessage(link, message) {
      if (message.type !== 'token-delta') return;
      if (message.tokenCount === REPLY) onReply(message);
      else if (message.tokenCount === ECHO) link.send({ ...message, tokenCount: REPLY });
    },
    onClose(link) {
      if (open.get(link.remote) === link) open.delete(link.remote);
      if (open.size > 0) return;
      for (const resolve of onNoneLeft) resolve();
      onNoneLeft = [];
    },
  });
  await new Promise<void>((resolve, reject) => {
    signaling.start({
      onChallenge: ({ nonce }) => ({
        proof: identity.sign({ type: 'join-proof', peerId: identity.peerId, nonce }),
        announcement: announcement(identity, kind),
      }),
      onWelcome(welcome) {
        links.setIceServers(welcome.iceServers);
        resolve();
      },
      onRefused: ({ message }) => reject(new Error(message)),
      onRoster() {},
      onDescription: (record) => links.handleDescription(record),
      onOffline: (reason) => reject(new Error(reason)),
    });
  });

  const reply = () =>
    new Promise<TokenDelta>((resolve) => {
      onReply = resolve;
    });
  const linkTo = (to: PeerId): Link => {
    const link = links.get(to);
    if (link === undefined) throw new Error('There is no link.');
    return link;
  };

  const end: LinkEnd = {
    peerId: identity.peerId,
    async connect(to) {
      const startMs = performance.now();
      await links.connect(to, new AbortController().signal);
      return performance.now() - startMs;
    },
    hangUp() {
      for (const link of open.values()) link.close('the benchmark goes on');
      return end.noLinkLeft();
    },
    noLinkLeft: () => (open.size === 0 ? Promise.resolve() : new Promise((resolve) => onNoneLeft.push(resolve))),
    async roundTripsMs({ to, count, bytes }) {
      const link = linkTo(to);
      const message = delta(ECHO, bytes);
      const times: number[] = [];
      for (let index = 0; index < count; index += 1) {
        const replied = reply();
        const startMs = performance.now();
        link.send(message);
        await replied;
        times.push(performance.now() - startMs);
      }
      return times;
    },
    async bytesPerSecond({ to, messages, bytes }) {
      const link = linkTo(to);
      const message = delta(SINK, bytes);
      const replied = reply();
      const startMs = performance.now();
      for (let sent = 0; sent < messages; sent += 1) {
        link.send(message);
        const pause = link.ready();
        if (pause !== undefined) await pause;
      }
      link.send(delta(ECHO, 1));
      await replied;
      return (messages * bytes * 1000) / (performance.now() - startMs);
    },
  };
  return end;
}

type TokenDelta = Extract<JobMessage, { type: 'token-delta' }>;

/** The most frequent message of the mesh carries the payload; its token count says what to do with it. */
const ECHO = 1;
const REPLY = 2;
const SINK = 3;

function delta(tokenCount: number, bytes: number): TokenDelta {
  const jobId = JobId.parse('0'.repeat(32));
  return { type: 'token-delta', jobId, firstToken: 0, tokenCount, text: 'x'.repeat(bytes) };
}

function announcement(identity: Identity, kind: PeerKind) {
  return identity.sign({
    type: 'announcement',
    peerId: identity.peerId,
    kind,
    version: 'bench',
    sequence: 1,
    issuedAtMs: systemClock.wallMs(),
    lifetimeMs: LIFETIME_MS,
    state: 'ready',
    memoryBytes: null,
    models: [],
    links: [],
  } satisfies Announcement);
}

/** Longer than the benchmark takes. */
const LIFETIME_MS = 600_000;
