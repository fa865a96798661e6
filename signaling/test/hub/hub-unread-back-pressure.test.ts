/** Members that stay and do not read, over real sockets. */
import { EventEmitter } from 'node:events';
import { type Clock, systemClock } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { expect, it } from 'vitest';
import type { MemberSocket } from '../../src/hub/member-connection.ts';
import { UnreadWatch } from '../../src/hub/unread-watch.ts';
import { HUB_UNREAD_BYTES, MEMBER_UNREAD_BYTES, MEMBER_UNREAD_MS } from '../../src/limits/limits.ts';
import { createMember, join, next, type TestMember, type TestSocket } from '../setup/member.ts';
import { stopReading } from '../setup/silent-socket.ts';
import { collectRoster, startHub } from '../setup/start-hub.ts';

const MUCH = { perSecond: 1_000_000, burst: 1_000_000 };
/** What a newer peer may say beyond what is known here. */
const padding = 'x'.repeat(60_000);

async function mesh() {
  // Real but for the minute, which the tests let pass.
  const minutes = new ManualClock();
  const clock: Clock = {
    wallMs: () => systemClock.wallMs(),
    monotonicMs: () => systemClock.monotonicMs(),
    soon: systemClock.soon,
    after: (ms, callback) => (ms === MEMBER_UNREAD_MS ? minutes : systemClock).after(ms, callback),
  };
  const { hub, connect } = await startHub({ clock, limits: { announcements: MUCH, descriptions: MUCH } });
  const enter = async (member: TestMember): Promise<TestSocket> => {
    const socket = connect();
    await join(socket, member, member.announcement({ lifetimeMs: 100_000 }));
    return socket;
  };
  return { hub, enter, aMinute: () => minutes.advance(MEMBER_UNREAD_MS) };
}

/** Bob announces himself anew until more than the kernel takes is under way, and as often again. */
async function announceMuch({ hub }: Awaited<ReturnType<typeof mesh>>, bob: TestMember, socket: TestSocket) {
  const seen = collectRoster(socket);
  let mostBytes = 0;
  let last = bob.announcement();
  for (let sent = 0, more = 20; more > 0; sent += 1) {
    last = bob.announcement({ lifetimeMs: 100_000, padding } as object);
    socket.emit('announce', last);
    while ((await seen.upserted(bob.peerId)).signature !== last.signature);
    mostBytes = Math.max(mostBytes, hub.unreadBytes());
    if (mostBytes > 0 || sent > 2_000) more -= 1;
  }
  return { mostBytes, last };
}

it('SG40: who does not read is told no more than a bounded number of bytes, and is cut off after a minute', async () => {
  const started = await mesh();
  const { hub, enter, aMinute } = started;
  const [alice, bob] = [createMember(), createMember()];
  const [aliceSocket, bobSocket] = [await enter(alice), await enter(bob)];
  stopReading(aliceSocket);

  const { mostBytes } = await announceMuch(started, bob, bobSocket);

  expect(mostBytes).toBeGreaterThan(0);
  expect(mostBytes).toBeLessThan(MEMBER_UNREAD_BYTES);
  expect(hub.memberCount()).toBe(2);
  const seen = collectRoster(bobSocket);
  await aMinute();
  await seen.removal(alice.peerId);
  expect(hub.memberCount()).toBe(1);
  expect(hub.unreadBytes()).toBe(0);
});

it('SG41: who reads late is told what it missed, and then hears each change with everyone', async () => {
  const started = await mesh();
  const { enter } = started;
  const [alice, bob, carol, dave] = [createMember(), createMember(), createMember(), createMember()];
  const [aliceSocket, bobSocket] = [await enter(alice), await enter(bob)];
  const [carolSocket] = [await enter(carol)];
  const aliceHeard = collectRoster(aliceSocket);
  const bobHeard = collectRoster(bobSocket);
  const readOn = stopReading(aliceSocket);
  const { last } = await announceMuch(started, bob, bobSocket);
  carolSocket.disconnect();
  await bobHeard.removal(carol.peerId);

  readOn();

  await aliceHeard.removal(carol.peerId);
  while ((await aliceHeard.upserted(bob.peerId)).signature !== last.signature);
  await enter(dave);
  await aliceHeard.upserted(dave.peerId);
});

it('SG42: descriptions to one that does not read are dropped and nobody is cut off for them', async () => {
  const { hub, enter } = await mesh();
  const [alice, bob] = [createMember(), createMember()];
  const [aliceSocket, bobSocket] = [await enter(alice), await enter(bob)];
  stopReading(aliceSocket);
  let mostBytes = 0;
  const record = bob.description(alice.peerId, { index: 1, payload: 'x'.repeat(32_000) });
  for (let round = 0; round < 30; round += 1) {
    for (let sent = 0; sent < 40; sent += 1) bobSocket.emit('describe', { to: alice.peerId, record });
    const own = next(bobSocket, 'description');
    bobSocket.emit('describe', { to: bob.peerId, record: bob.description(bob.peerId, { index: 1 }) });
    await own;
    mostBytes = Math.max(mostBytes, hub.unreadBytes());
  }

  expect(mostBytes).toBeGreaterThan(0);
  expect(mostBytes).toBeLessThan(MEMBER_UNREAD_BYTES);
  expect(hub.memberCount()).toBe(2);
});

it('SG43: what all members have not read has a bound, past which whoever holds most is cut off', () => {
  const cut: MemberSocket[] = [];
  const watch = new UnreadWatch((socket) => void cut.push(socket));
  const sockets = Array.from({ length: HUB_UNREAD_BYTES / (MEMBER_UNREAD_BYTES / 2) }, deafSocket);
  for (const { socket } of sockets) watch.add(socket);
  const send = (conn: EventEmitter, bytes: number) => conn.emit('packetCreate', { data: 'x'.repeat(bytes) });

  for (const { conn } of sockets) send(conn, MEMBER_UNREAD_BYTES / 2 - 1_024);
  send(sockets[7]?.conn as EventEmitter, 1_024);
  expect(cut).toEqual([]);
  for (const { conn } of sockets) if (cut.length === 0) send(conn, 1_023);

  expect(cut).toEqual([sockets[7]?.socket]);
  for (const { socket } of sockets) socket.emit('disconnect');
  expect(watch.heldBytes).toBe(0);
});

let lastId = 0;

function deafSocket() {
  const conn = Object.assign(new EventEmitter(), {
    transport: Object.assign(new EventEmitter(), { socket: { bufferedAmount: 0, terminate() {} } }),
  });
  lastId += 1;
  const id = String(lastId);
  const socket = Object.assign(new EventEmitter(), { id, conn }) as unknown as MemberSocket & EventEmitter;
  return { conn, socket };
}
