/** Links that can come about in more than one way. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createIdentity, type Identity } from '../identity/identity.ts';
import { silentLogger } from '../ports/logger.ts';
import { decodeSessionDescription } from '../protocol/decode.ts';
import { type PeerId, SourceId } from '../protocol/ids.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createSeededRandom } from '../testing/seeded-random.ts';
import { VirtualNetwork } from '../testing/virtual-network.ts';
import { Links } from './links.ts';

const random = createSeededRandom(15);
const [alice, bob] = [createIdentity(random), createIdentity(random)];
const never = new AbortController().signal;

let clock: ManualClock;
let ends: Map<PeerId, Links>;
/** The ways of the offers that travelled; undefined is the first one. */
let offered: (string | undefined)[];

beforeEach(() => {
  clock = new ManualClock();
  ends = new Map();
  offered = [];
});

afterEach(async () => {
  for (const links of ends.values()) links.close();
  await clock.advance(1_000);
  expect(clock.pendingTimers()).toBe(0);
});

/** @param announced the ways that others know of this member, beside the first */
function join(network: VirtualNetwork, name: string, identity: Identity, announced: readonly string[]): Links {
  const links = new Links({
    identity,
    clock,
    random,
    logger: silentLogger,
    transports: network.join(name).transports,
    hasWay: (_peerId, way) => announced.includes(way),
    describe(to, record) {
      const { way, role, index } = decodeSessionDescription(record);
      if (role === 'offerer' && index === 0) offered.push(way);
      clock.after(1, () => ends.get(to)?.handleDescription(record));
    },
    onOpen() {},
    onMessage() {},
    onClose() {},
  });
  ends.set(identity.peerId, links);
  return links;
}

const threeWays = (...blockedWays: string[]) =>
  new VirtualNetwork(clock, { name: 'three ways', entries: 1, ways: ['virtual', 'detour', 'relay'], blockedWays });

/** Alice dials bob; the way of their link, or the error. */
async function dial(links: Links): Promise<string> {
  const outcome = links.connect(bob.peerId, never).then(
    ({ way }) => way,
    (error: Error) => error.message,
  );
  await clock.advance(60_000);
  return outcome;
}

describe('a link', () => {
  it('LS27: comes about in the first way that leads anywhere, and both ends know which', async () => {
    const network = threeWays('virtual');
    const links = join(network, 'alice', alice, ['detour', 'relay']);
    const others = join(network, 'bob', bob, ['detour', 'relay']);
    expect(await dial(links)).toBe('detour');
    expect(others.get(alice.peerId)?.way).toBe('detour');
    expect(offered).toEqual(['detour']);
  });

  it('LS27: is dialled in no way that the other end did not announce', async () => {
    const network = threeWays('virtual');
    const links = join(network, 'alice', alice, ['relay']);
    join(network, 'bob', bob, []);
    expect(await dial(links)).toBe('relay');
  });

  it('LS28: that comes about in no way fails when each was tried, and the first one is tried again', async () => {
    const network = threeWays('virtual', 'detour', 'relay');
    const links = join(network, 'alice', alice, ['detour', 'relay']);
    join(network, 'bob', bob, []);
    expect(await dial(links)).toMatch(/nothing gets through/);
    network.unblock('virtual');
    expect(await dial(links)).toBe('virtual');
  });

  it('LS28: goes by the way that led somewhere when it is dialled again', async () => {
    const network = threeWays('virtual');
    const links = join(network, 'alice', alice, ['detour', 'relay']);
    const others = join(network, 'bob', bob, []);
    await dial(links);
    void others.get(alice.peerId)?.close('a pause');
    await clock.advance(2_000);
    offered = [];
    expect(await dial(links)).toBe('detour');
    expect(offered).toEqual(['detour']);
  });

  it('LS33: that came about makes every way one that may lead somewhere again', async () => {
    const network = threeWays('virtual');
    const links = join(network, 'alice', alice, ['detour', 'relay']);
    const others = join(network, 'bob', bob, []);
    expect(await dial(links)).toBe('detour');
    void others.get(alice.peerId)?.close('a pause');
    await clock.advance(2_000);
    network.unblock('virtual');
    network.block('detour');
    expect(await dial(links)).toBe('virtual');
  });

  it('LS33: that the other end brought about is dialled in its way the next time', async () => {
    const network = threeWays('virtual', 'detour');
    const links = join(network, 'alice', alice, ['detour', 'relay']);
    const others = join(network, 'bob', bob, ['relay']);
    void others.connect(alice.peerId, never);
    await clock.advance(2_000);
    expect(links.get(bob.peerId)?.way).toBe('relay');
    void others.get(alice.peerId)?.close('a pause');
    await clock.advance(2_000);
    offered = [];
    network.unblock('virtual');
    expect(await dial(links)).toBe('relay');
    expect(offered).toEqual(['relay']);
  });

  it('LS30: is helped by the ICE servers of every source, as each told them last', async () => {
    const used: string[][] = [];
    const network = threeWays();
    const [transport] = network.join('alice').transports;
    const links = new Links({
      identity: alice,
      clock,
      random,
      logger: silentLogger,
      transports: [
        {
          way: transport.way,
          open(options, handlers) {
            used.push(options.iceServers.flatMap(({ urls }) => urls));
            return transport.open(options, handlers);
          },
        },
      ],
      hasWay: () => false,
      describe() {},
      onOpen() {},
      onMessage() {},
      onClose() {},
    });
    ends.set(alice.peerId, links);
    const [first, second] = [SourceId.parse('first'), SourceId.parse('second')];
    links.setIceServers([{ urls: 'turn:old.example' }], first);
    links.setIceServers([{ urls: 'turn:one.example' }], first);
    links.setIceServers([{ urls: ['stun:two.example', 'turn:two.example'] }], second);
    links.want(new Set([bob.peerId]));
    expect(used).toEqual([['turn:one.example', 'stun:two.example', 'turn:two.example']]);
  });

  it('LS29: an offer by a way that this end does not have is not answered, and costs no attempt', async () => {
    const network = threeWays();
    const links = join(network, 'alice', alice, []);
    const offer = {
      type: 'session-description',
      from: bob.peerId,
      to: alice.peerId,
      sessionId: '0123456789abcdef0123456789abcdef',
      role: 'offerer',
      index: 0,
      way: 'carrier-pigeon',
      payload: 'offer',
    };
    links.handleDescription(bob.sign(offer));
    expect(clock.pendingTimers()).toBe(0);
    links.handleDescription(bob.sign({ ...offer, way: 'w'.repeat(10_000) }));
    expect(clock.pendingTimers()).toBe(0);
  });
});
