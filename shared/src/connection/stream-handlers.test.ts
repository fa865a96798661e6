/** Streams between two members' links, answered by name. */
import { expect, it } from 'vitest';
import { createIdentity } from '../identity/identity.ts';
import { silentLogger } from '../ports/logger.ts';
import type { PeerId } from '../protocol/ids.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createSeededRandom } from '../testing/seeded-random.ts';
import { VirtualNetwork } from '../testing/virtual-network.ts';
import { Links } from './links.ts';

const never = new AbortController().signal;

it('SM26: streams are answered by name from any peer, dialled when there is no link; a handler that fails has refused', async () => {
  const clock = new ManualClock();
  const network = new VirtualNetwork(clock);
  const random = createSeededRandom(11);
  const reachable = new Map<PeerId, Links>();
  const [alice, bob] = ['alice', 'bob'].map((name) => {
    const identity = createIdentity(random);
    const links = new Links({
      identity,
      clock,
      random,
      logger: silentLogger,
      transports: network.join(name).transports,
      hasWay: () => false,
      describe: (to, record) => clock.after(1, () => reachable.get(to)?.handleDescription(record)),
      onOpen() {},
      onMessage() {},
      onClose() {},
    });
    reachable.set(identity.peerId, links);
    return { links, peerId: identity.peerId };
  });
  if (alice === undefined || bob === undefined) throw new Error('Somebody is missing.');
  const from: PeerId[] = [];
  const remove = bob.links.onStream('greeting', async (offer, remote) => {
    from.push(remote);
    const stream = offer.accept();
    stream.write(new TextEncoder().encode(`Hello ${await stream.read()}`));
  });
  bob.links.onStream('failing', () => {
    throw new Error('It is broken.');
  });
  expect(() => bob.links.onStream('greeting', () => {})).toThrow(/handler already/);

  const opening = alice.links.openStream(bob.peerId, 'greeting', never);
  await clock.advance(50);
  const stream = await opening;
  expect(from).toEqual([alice.peerId]);
  stream.write(Uint8Array.of(1, 2));
  await clock.advance(10);
  expect(new TextDecoder().decode(await stream.read())).toBe('Hello 1,2');

  remove();
  const refused = ['greeting', 'failing', 'unheard-of'].map((name) => alice.links.openStream(bob.peerId, name, never));
  const codes = Promise.all(refused.map((one) => one.catch((error: { code: string }) => error.code)));
  await clock.advance(10);
  expect(await codes).toEqual(['unsupported', 'peer_busy', 'unsupported']);

  void alice.links.close();
  void bob.links.close();
  await clock.advance(2_000);
  expect(clock.pendingTimers()).toBe(0);
  expect(await stream.closed).toMatchObject({ code: 'closed' });
});
