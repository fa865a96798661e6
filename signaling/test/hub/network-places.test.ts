import { PROTOCOL_VERSION } from '@tabmesh/shared';
import { expect, it, onTestFinished } from 'vitest';
import { NetworkPlaces } from '../../src/hub/network-places.ts';
import { createMember, join, next, openSocket } from '../setup/member.ts';
import { startHub } from '../setup/start-hub.ts';

it('SG57: a network has so many members at an entry, and is told what to do past them', async () => {
  const { hub, url, connect } = await startHub({ limits: { membersPerNetwork: 2 } });
  const [alice, bob] = [createMember(), createMember()];
  const first = connect();
  await join(first, alice);
  await join(connect(), bob);

  const refused = openSocket(url);
  onTestFinished(() => void refused.disconnect());
  const refusal = next(refused, 'refused');
  await join(refused, createMember()).catch(() => {});
  expect(await refusal).toMatchObject({
    code: 'mesh_busy',
    message: expect.stringContaining('--members-per-network 4'),
    final: false,
  });
  expect(hub.memberCount()).toBe(2);

  // Its place is its key's, whichever connection it has.
  await join(connect(), alice);
  first.disconnect();
  expect(hub.memberCount()).toBe(2);
});

it('SG57: a member that is refused for another reason takes no place', async () => {
  const { hub, connect } = await startHub({ limits: { membersPerNetwork: 8 } });
  await join(connect(), createMember());
  for (let refused = 0; refused < 3; refused += 1) {
    const mallory = createMember();
    const socket = connect();
    const { nonce } = await socket.challenge;
    const refusal = next(socket, 'refused');
    const proof = mallory.identity.sign({ type: 'join-proof', peerId: mallory.peerId, nonce: `${nonce}0` });
    socket.emit('join', { protocol: PROTOCOL_VERSION, proof, announcement: mallory.announcement() });
    await refusal;
  }
  // Room for four of their records in one network, whoever has places left.
  const fats = Array.from({ length: 8 }, createMember);
  const joined = await Promise.allSettled(
    fats.map((member) => join(connect(), member, member.announcement({ padding: 'x'.repeat(60_000) } as object))),
  );
  expect(joined.filter(({ status }) => status === 'fulfilled')).toHaveLength(4);
  for (let left = 3; left > 0; left -= 1) await join(connect(), createMember());
  expect(hub.memberCount()).toBe(8);
});

it('SG57: the entry itself takes no place', async () => {
  const entry = createMember();
  const { hub, connect } = await startHub({ entryPeerId: entry.peerId, limits: { membersPerNetwork: 1 } });
  await join(connect(), createMember());
  await join(connect(), entry);
  expect(hub.memberCount()).toBe(2);
});

it('SG57: other networks have their own places, and those of whoever left are free', () => {
  const places = new NetworkPlaces(1);
  const [alice, bob, carol] = [createMember().peerId, createMember().peerId, createMember().peerId];
  places.take(alice, '192.0.2.1');
  places.take(bob, '2001:db8::/64');
  expect(() => places.check(carol, '192.0.2.1')).toThrow(/Close one of them/);
  expect(() => places.check(bob, '192.0.2.1')).toThrow(/1 members/);
  expect(() => places.check(carol, '2001:db8::/64')).toThrow(/1 members/);
  places.release(alice);
  places.check(bob, '192.0.2.1');
  // One that moves leaves its place behind.
  places.take(bob, '192.0.2.1');
  places.check(carol, '2001:db8::/64');
});
