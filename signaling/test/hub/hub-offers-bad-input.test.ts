/** Members that offer links without end, over real sockets. */
import { type SignedRecord, systemClock } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { expect, it } from 'vitest';
import { LinkAttempts } from '../../src/hub/link-attempts.ts';
import {
  ANSWER_DESCRIPTIONS,
  DEFAULT_HUB_LIMITS,
  KEPT_FOR_FIRST_OFFERS,
  OFFERS_OF_MEMBER,
  OFFERS_OF_NETWORK_TO_PEER,
} from '../../src/limits/limits.ts';
import { createMember, join, next, type TestMember, type TestSocket } from '../setup/member.ts';
import { startHub } from '../setup/start-hub.ts';

const sessionIdOf = (number: number) => number.toString(16).padStart(32, '0');

/** Once this came back, all that the socket said before was read. */
async function settled(socket: TestSocket, member: TestMember): Promise<void> {
  const own = next(socket, 'description');
  socket.emit('describe', { to: member.peerId, record: member.description(member.peerId, { role: 'answerer' }) });
  await own;
}

it('SG44: eight members with 150 offers each do not get the peer that answers them refused', async () => {
  const clock = new ManualClock(systemClock.wallMs());
  const { connect, hub, warnings } = await startHub({ clock });
  const victim = createMember();
  const victimSocket = connect();
  await join(victimSocket, victim);
  let answers = 0;
  victimSocket.on('description', (record: SignedRecord) => {
    const { from, sessionId, role } = JSON.parse(record.body);
    if (role !== 'offerer') return;
    for (let index = 0; index < 6; index += 1) {
      answers += 1;
      const answer = victim.description(from, { sessionId, role: 'answerer', index });
      victimSocket.emit('describe', { to: from, record: answer });
    }
  });

  let sessions = 0;
  for (let count = 0; count < 8; count += 1) {
    const mallory = createMember();
    const socket = connect();
    await join(socket, mallory);
    for (let sent = 0; sent < 150; sent += 1) {
      sessions += 1;
      const record = mallory.description(victim.peerId, { sessionId: sessionIdOf(sessions) });
      socket.emit('describe', { to: victim.peerId, record });
    }
    await settled(socket, mallory);
    await clock.advance(5_000);
  }
  await settled(victimSocket, victim);

  expect(answers).toBeGreaterThan(DEFAULT_HUB_LIMITS.descriptions.burst + DEFAULT_HUB_LIMITS.offences.burst);
  expect(warnings).toEqual([]);
  expect(victimSocket.connected).toBe(true);
  expect(hub.memberCount()).toBe(9);
});

const offer = (from: TestMember, to: TestMember, number: number) =>
  ({ from: from.peerId, to: to.peerId, sessionId: sessionIdOf(number), role: 'offerer', index: 0 }) as never;
const answer = (from: TestMember, to: TestMember, number: number) =>
  ({ from: from.peerId, to: to.peerId, sessionId: sessionIdOf(number), role: 'answerer', index: 0 }) as never;

it('SG44: an answer is owed to whoever offered, by whom it was offered, so many times', () => {
  const attempts = new LinkAttempts(new ManualClock());
  const [alice, bob, carol] = [createMember(), createMember(), createMember()];
  expect(attempts.mayPass(offer(alice, bob, 1), 'here')).toBe(true);

  expect(attempts.isOwed(answer(carol, alice, 1))).toBe(false);
  expect(attempts.isOwed(answer(bob, carol, 1))).toBe(false);
  expect(attempts.isOwed(answer(bob, alice, 2))).toBe(false);
  for (let sent = 0; sent < ANSWER_DESCRIPTIONS; sent += 1) expect(attempts.isOwed(answer(bob, alice, 1))).toBe(true);
  expect(attempts.isOwed(answer(bob, alice, 1))).toBe(false);
});

it('SG45: offers of one member, and of one network to one peer, are passed on so often, and those of others as before', async () => {
  const clock = new ManualClock();
  const attempts = new LinkAttempts(clock);
  const [mallory, victim, bob] = [createMember(), createMember(), createMember()];
  let passed = 0;
  for (let sent = 0; sent < 500; sent += 1) {
    if (attempts.mayPass(offer(mallory, createMember(), sent), 'there')) passed += 1;
  }
  expect(passed).toBe(OFFERS_OF_MEMBER.burst);

  passed = 0;
  const many = Array.from({ length: 420 }, createMember);
  for (const [number, one] of many.entries()) if (attempts.mayPass(offer(one, victim, number), 'there')) passed += 1;
  expect(passed).toBe(OFFERS_OF_NETWORK_TO_PEER.burst);
  expect(attempts.mayPass(offer(bob, victim, 1), 'here')).toBe(true);
  expect(attempts.mayPass(offer(many[0] as TestMember, bob, 1), 'there')).toBe(true);
  await clock.advance(1_000);
  expect(attempts.mayPass(offer(createMember(), victim, 1), 'there')).toBe(true);
});

it('SG46: of a network that dials a peer all the time its newcomers are heard', async () => {
  const clock = new ManualClock();
  const attempts = new LinkAttempts(clock);
  const victim = createMember();
  const mallories = Array.from({ length: 20 }, createMember);
  for (let round = 0; round < 100; round += 1) {
    for (const mallory of mallories) attempts.mayPass(offer(mallory, victim, round), 'there');
    await clock.advance(50);
  }
  for (let newcomer = 0; newcomer < KEPT_FOR_FIRST_OFFERS / 2; newcomer += 1) {
    expect(attempts.mayPass(offer(createMember(), victim, newcomer), 'there')).toBe(true);
  }
});
