/** Offers of strangers, by the hundred, at a peer whose connections are held in the test's hand. */
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { createIdentity, type Identity } from '../identity/identity.ts';
import {
  MAX_STRANGER_ATTEMPTS,
  MAX_STRANGER_LINKS,
  STRANGER_ATTEMPTS,
  STRANGER_FAILURE_COST,
  STRANGER_LINK_MS,
} from '../limits.ts';
import { silentLogger } from '../ports/logger.ts';
import type { TransportHandlers } from '../ports/transport.ts';
import { toFrames } from '../protocol/frames.ts';
import type { PeerId } from '../protocol/ids.ts';
import { PROTOCOL_VERSION } from '../protocol/messages.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createSeededRandom } from '../testing/seeded-random.ts';
import { MAX_ATTEMPTS_PER_PEER } from './attempts.ts';
import type { Link } from './link.ts';
import { Links } from './links.ts';

const random = createSeededRandom(11);
const alice = createIdentity(random);

interface Connection {
  readonly remote: PeerId;
  readonly handlers: TransportHandlers;
  open: boolean;
}

let clock: ManualClock;
let connections: Connection[];
let busy: Set<PeerId>;
let opened: Link[];
let links: Links;
let sessions = 0;

beforeEach(() => {
  clock = new ManualClock();
  connections = [];
  busy = new Set();
  opened = [];
  let remote = alice.peerId;
  links = new Links({
    identity: alice,
    clock,
    random,
    logger: silentLogger,
    transports: [
      {
        way: 'held',
        open(_options, handlers) {
          const connection = { remote, handlers, open: true };
          connections.push(connection);
          return {
            signal() {},
            send() {},
            bufferedBytes: () => 0,
            close() {
              connection.open = false;
            },
          } as never;
        },
      },
    ],
    hasWay: () => false,
    sourcesOf: () => [],
    describe() {},
    onOpen: (link) => opened.push(link),
    onMessage() {},
    onClose() {},
    isInUse: (link) => busy.has(link.remote),
  });
  onTestFinished(() => void links.close());
  offer = (from) => {
    sessions += 1;
    remote = from.peerId;
    const before = connections.length;
    links.handleDescription(
      from.sign({
        type: 'session-description',
        from: from.peerId,
        to: alice.peerId,
        sessionId: sessions.toString(16).padStart(32, '0'),
        role: 'offerer',
        index: 0,
        payload: 'offer',
      }),
    );
    return connections.length > before ? connections.at(-1) : undefined;
  };
});

/** What it was answered by, if at all. */
let offer: (from: Identity) => Connection | undefined;
const stranger = () => createIdentity(random);
const alive = () => connections.filter(({ open }) => open).length;

function shakeHands(connection: Connection | undefined, from: Identity): void {
  connection?.handlers.onOpen();
  const hello = { type: 'hello', protocol: PROTOCOL_VERSION, peerId: from.peerId };
  for (const frame of toFrames(new TextEncoder().encode(JSON.stringify(hello)))) connection?.handlers.onMessage(frame);
}

describe('strangers who offer', () => {
  it('LS40: links again and again have so many connections at once, and then one for each second', async () => {
    const mallory = stranger();
    let answered = 0;
    for (let sent = 0; sent < 150; sent += 1) if (offer(mallory) !== undefined) answered += 1;
    expect(answered).toBe(STRANGER_ATTEMPTS.burst / STRANGER_FAILURE_COST);
    expect(alive()).toBe(MAX_ATTEMPTS_PER_PEER);

    for (let second = 0; second < 5; second += 1) {
      await clock.advance(1_000);
      for (let sent = 0; sent < 100; sent += 1) if (offer(mallory) !== undefined) answered += 1;
    }
    expect(answered).toBe(STRANGER_ATTEMPTS.burst / STRANGER_FAILURE_COST + 5);
  });

  it('LS40: links that open are not counted like failures', async () => {
    const bob = stranger();
    let answered = 0;
    for (let turn = 0; turn < 5 * STRANGER_ATTEMPTS.perSecond; turn += 1) {
      const connection = offer(bob);
      if (connection !== undefined) answered += 1;
      shakeHands(connection, bob);
      await clock.advance(1_000 / STRANGER_ATTEMPTS.perSecond);
    }
    expect(answered).toBe(5 * STRANGER_ATTEMPTS.perSecond);
    // Those that were replaced have gone once the other end may have heard it.
    await clock.advance(1_000);
    expect(alive()).toBe(1);
  });

  it('LS41: by the hundred, each with a key of its own, have a bounded number of attempts, and a newcomer is answered', () => {
    for (let sent = 0; sent < 420; sent += 1) offer(stranger());
    expect(alive()).toBe(MAX_STRANGER_ATTEMPTS);

    const bob = stranger();
    shakeHands(offer(bob), bob);
    expect(opened.map(({ remote }) => remote)).toEqual([bob.peerId]);
  });

  it('LS42: and keep their links leave room: an unused link goes for a newcomer, one that is in use never', async () => {
    const [first, ...others] = Array.from({ length: MAX_STRANGER_LINKS }, stranger);
    for (const one of [first as Identity, ...others]) shakeHands(offer(one), one);
    expect(opened).toHaveLength(MAX_STRANGER_LINKS);
    busy.add((first as Identity).peerId);
    expect(offer(stranger())).toBeUndefined();

    await clock.advance(STRANGER_LINK_MS / 2);
    for (const { remote, handlers } of connections) {
      // They live.
      for (const frame of toFrames(new TextEncoder().encode(JSON.stringify({ type: 'ping', id: 1 })))) {
        if (remote !== undefined) handlers.onMessage(frame);
      }
    }
    await clock.advance(STRANGER_LINK_MS / 2);
    const bob = stranger();
    shakeHands(offer(bob), bob);

    expect(opened.at(-1)?.remote).toBe(bob.peerId);
    expect(links.get((first as Identity).peerId)).toBeDefined();
    expect(links.get((others[0] as Identity).peerId)).toBeUndefined();
    await clock.advance(1_000);
    expect(alive()).toBe(MAX_STRANGER_LINKS);
  });

  it('LS43: take no room from peers that this end wants', () => {
    for (let sent = 0; sent < MAX_STRANGER_LINKS; sent += 1) {
      const one = stranger();
      shakeHands(offer(one), one);
    }
    expect(offer(stranger())).toBeUndefined();
    const bob = [stranger(), stranger(), stranger(), stranger()].find(({ peerId }) => peerId < alice.peerId);
    if (bob === undefined) return expect(bob).toBeDefined();
    links.want(new Set([bob.peerId]));
    const before = connections.length;
    shakeHands(offer(bob), bob);
    expect(connections.length).toBe(before + 1);
    expect(links.get(bob.peerId)).toBeDefined();
  });
});
