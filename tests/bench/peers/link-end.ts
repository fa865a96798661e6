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
import type { ByteStream } from '../../../shared/src/connection/stream.ts';

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
  /**
   * A message every `intervalMs`, whatever became of the one before, as tokens come: how long each took to come back. How
   * long it took to arrive, the other end's `takeDelaysMs` has.
   */
  pacedRoundTripsMs(options: { to: PeerId; count: number; intervalMs: number }): Promise<number[]>;
  /** Since the last call; of use where both ends have one clock. */
  takeDelaysMs(): number[];
  /** The same as `bytesPerSecond` over a stream. */
  streamBytesPerSecond(options: { to: PeerId; bytes: number }): Promise<number>;
  /** Fills a stream until `stopBulk`, which resolves with its bytes per second when the other end has them all. */
  startBulk(to: PeerId): Promise<void>;
  stopBulk(): Promise<number>;
}

/** Resolves when the entry has welcomed this end: from then on signaling is warm. */
export async function joinWithLinks(
  url: string,
  kind: PeerKind,
  transport: Transport,
  nowMs: () => number = () => performance.now(),
): Promise<LinkEnd> {
  const identity = createIdentity(systemRandom);
  const signaling = createSocketIoSignaling({ url });
  const open = new Map<PeerId, Link>();
  let onNoneLeft: (() => void)[] = [];
  let onReply: (message: TokenDelta) => void = () => {};
  let delaysMs: number[] = [];
  let bulk: { stop: boolean; done: Promise<number> } | undefined;

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
      else if (message.tokenCount === STAMPED) {
        delaysMs.push(nowMs() - Number(message.text));
        link.send({ ...message, tokenCount: REPLY });
      }
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
      onChallenge: ({ nonce }, entry) => ({
        proof: identity.sign({ type: 'join-proof', peerId: identity.peerId, nonce, entry }),
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

  links.onStream('bulk', (offer) => void takeBulk(offer.accept()));

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
    async pacedRoundTripsMs({ to, count, intervalMs }) {
      const link = linkTo(to);
      const message = delta(STAMPED, 0);
      const times: number[] = [];
      const all = new Promise<void>((resolve) => {
        onReply = ({ text }) => {
          times.push(nowMs() - Number(text));
          if (times.length === count) resolve();
        };
      });
      let sent = 0;
      const timer = setInterval(() => {
        link.send({ ...message, text: String(nowMs()) });
        sent += 1;
        if (sent === count) clearInterval(timer);
      }, intervalMs);
      await all;
      return times;
    },
    takeDelaysMs() {
      const taken = delaysMs;
      delaysMs = [];
      return taken;
    },
    streamBytesPerSecond: ({ to, bytes }) => sendBulk(linkTo(to), (sent) => sent < bytes),
    async startBulk(to) {
      const state = { stop: false, done: Promise.resolve(0) };
      state.done = sendBulk(linkTo(to), () => !state.stop);
      bulk = state;
    },
    async stopBulk() {
      if (bulk === undefined) throw new Error('No stream is being filled.');
      bulk.stop = true;
      return bulk.done;
    },
  };
  return end;
}

async function sendBulk(link: Link, goesOn: (sentBytes: number) => boolean): Promise<number> {
  const stream = await link.openStream('bulk');
  const piece = new Uint8Array(BULK_PIECE_BYTES);
  const startMs = performance.now();
  let sent = 0;
  while (goesOn(sent)) {
    stream.write(piece);
    sent += piece.length;
    const pause = stream.ready();
    if (pause !== undefined) await pause;
  }
  stream.end();
  // Nothing comes on it before its end.
  await stream.read();
  return (sent * 1000) / (performance.now() - startMs);
}

/** Reads all, and ends when the other end has. */
async function takeBulk(stream: ByteStream): Promise<void> {
  while ((await stream.read()) !== undefined);
  stream.end();
}

type TokenDelta = Extract<JobMessage, { type: 'token-delta' }>;

/** The most frequent message of the mesh carries the payload; its token count says what to do with it. */
const ECHO = 1;
const REPLY = 2;
const SINK = 3;
/** Its text says when it was sent. */
const STAMPED = 4;

const BULK_PIECE_BYTES = 64 * 1024;

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
