import { MAX_SIGNALING_BYTES, type SignedRecord, systemClock } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { describe, expect, it } from 'vitest';
import { FatRecords } from '../../src/hub/fat-records.ts';
import { createMember, ended, join, next, servedModel, type TestMember } from '../setup/member.ts';
import { collectRoster, peerIdOf, startHub } from '../setup/start-hub.ts';

describe('the roster', () => {
  it('SG7: everyone hears of a new announcement, byte for byte as it was signed', async () => {
    const { connect } = await startHub();
    const [alice, bob] = [createMember(), createMember()];
    const [aliceSocket, bobSocket] = [connect(), connect()];
    await join(bobSocket, bob);
    const seen = collectRoster(bobSocket);
    await join(aliceSocket, alice);
    await seen.upserted(alice.peerId);

    const draining = alice.announcement({ state: 'draining' });
    aliceSocket.emit('announce', draining);

    expect(await seen.upserted(alice.peerId)).toEqual(draining);
  });

  it('SG8: who disconnects is gone from every roster', async () => {
    const { connect, hub } = await startHub();
    const [alice, bob, carol] = [createMember(), createMember(), createMember()];
    const [aliceSocket, bobSocket, carolSocket] = [connect(), connect(), connect()];
    await join(bobSocket, bob);
    await join(carolSocket, carol);
    await join(aliceSocket, alice);
    const seen = [collectRoster(bobSocket), collectRoster(carolSocket)];

    aliceSocket.disconnect();

    for (const roster of seen) expect(await roster.removal(alice.peerId)).toBe(true);
    expect(hub.memberCount()).toBe(2);
    expect((await join(connect(), createMember())).roster.map(peerIdOf)).not.toContain(alice.peerId);
  });

  it.each([
    ['a duplicate', (alice) => alice.announcement({ sequence: 5 })],
    ['an older one', (alice) => alice.announcement({ sequence: 4 })],
    ['one of somebody else', () => createMember().announcement({ sequence: 9 })],
    [
      'one with a broken signature',
      (alice) => ({
        ...alice.announcement({ sequence: 9 }),
        signature: `${'A'.repeat(85)}Q`,
      }),
    ],
    ['one signed by another key', (alice) => createMember().announcement({ sequence: 9, peerId: alice.peerId })],
    ['one of an unknown shape', (alice) => alice.identity.sign({ type: 'announcement', peerId: alice.peerId })],
    ['something that is no record', () => 'hello'],
  ] satisfies [string, (alice: TestMember) => unknown][])(
    'SG9: drops a wrong announcement and goes on: %s',
    async (_name, make) => {
      const { connect, warnings } = await startHub();
      const [alice, bob] = [createMember(), createMember()];
      const [aliceSocket, bobSocket] = [connect(), connect()];
      await join(bobSocket, bob);
      const seen = collectRoster(bobSocket);
      await join(aliceSocket, alice, alice.announcement({ sequence: 5 }));
      await seen.upserted(alice.peerId);

      aliceSocket.emit('announce', make(alice) as never);
      const valid = alice.announcement({ sequence: 6 });
      aliceSocket.emit('announce', valid);

      expect(await seen.upserted(alice.peerId)).toEqual(valid);
      expect(seen.records.filter((record) => peerIdOf(record) !== bob.peerId)).toHaveLength(2);
      expect(warnings).toContain('A message was dropped.');
    },
  );

  it('SG49: records beyond 8 KB have a bound for each network, so that a newcomer is not sent megabytes', async () => {
    const { connect, hub } = await startHub();
    const padding = 'x'.repeat(43_000);
    let refusals = 0;
    for (let count = 0; count < 12; count += 1) {
      const member = createMember();
      const socket = connect();
      const refused = next(socket, 'refused').then(
        ({ code, message }) => {
          refusals += 1;
          expect([code, message]).toEqual(['mesh_busy', expect.stringContaining('Serve fewer models here')]);
        },
        () => {},
      );
      await Promise.race([
        refused,
        join(socket, member, member.announcement({ padding } as object)).catch(() => refused),
      ]);
    }
    expect(hub.memberCount()).toBe(6);
    expect(refusals).toBe(6);

    const [bob, bobSocket] = [createMember(), connect()];
    const welcome = await join(bobSocket, bob);
    expect(JSON.stringify(welcome).length).toBeLessThan(300_000);
    const seen = collectRoster(bobSocket);
    bobSocket.emit('announce', bob.announcement({ padding } as object));
    const lean = bob.announcement({ state: 'draining' });
    bobSocket.emit('announce', lean);
    while ((await seen.upserted(bob.peerId)).signature !== lean.signature);
    expect(seen.records.filter(({ body }) => body.length > 8_192 && body.includes(bob.peerId))).toEqual([]);
  });

  it('SG49: room comes back with the members that had it, and whoever comes again has its own', async () => {
    const records = new FatRecords();
    const record = (chars: number) => ({ body: 'x'.repeat(chars), signature: '' });
    const members = Array.from({ length: 4 }, createMember);
    for (const { peerId } of members) records.take(peerId, 'here', record(60_000));
    const [alice, bob] = members as [TestMember, TestMember];
    const carol = createMember();
    expect(() => records.take(carol.peerId, 'here', record(60_000))).toThrow(/59 KB/);
    records.take(carol.peerId, 'there', record(60_000));
    records.take(alice.peerId, 'here', record(60_000));
    records.take(carol.peerId, 'here', record(8_000));
    records.release(bob.peerId);
    records.take(carol.peerId, 'here', record(60_000));
    expect(() => records.take(bob.peerId, 'here', record(60_000))).toThrow();
  });

  it('SG10: a roster past one message comes in parts', async () => {
    const { connect } = await startHub();
    const members = Array.from({ length: 6 }, createMember);
    const models = Array.from({ length: 32 }, (_, index) => servedModel(`m${index}${'x'.repeat(100)}`));
    for (const member of members) await join(connect(), member, member.announcement({ models }));

    const socket = connect();
    const seen = collectRoster(socket);
    const welcome = await join(socket, createMember());
    const missing = members.filter(({ peerId }) => !welcome.roster.map(peerIdOf).includes(peerId));

    expect(JSON.stringify(welcome).length).toBeLessThan(MAX_SIGNALING_BYTES);
    for (const { peerId } of missing) await seen.upserted(peerId);
  });
});

describe('session descriptions', () => {
  it('SG11: reach their addressee unread, in order, and nobody else', async () => {
    const { connect } = await startHub();
    const [alice, bob, carol] = [createMember(), createMember(), createMember()];
    const [aliceSocket, bobSocket, carolSocket] = [connect(), connect(), connect()];
    await join(aliceSocket, alice);
    await join(bobSocket, bob);
    await join(carolSocket, carol);
    const carolHeard: SignedRecord[] = [];
    carolSocket.on('description', (record) => carolHeard.push(record));
    const records = [0, 1, 2].map((index) => alice.description(bob.peerId, { index }));
    const received: SignedRecord[] = [];
    const all = new Promise<void>((resolve) => {
      bobSocket.on('description', (record) => {
        if (received.push(record) === records.length) resolve();
      });
    });

    for (const record of records) aliceSocket.emit('describe', { to: bob.peerId, record });
    await all;

    expect(received).toEqual(records);
    expect(carolHeard).toEqual([]);
  });

  it.each([
    [
      "somebody else's",
      (_alice, bob, carol) => ({
        to: bob.peerId,
        record: carol.description(bob.peerId),
      }),
    ],
    [
      'one for another addressee',
      (alice, bob, carol) => ({
        to: bob.peerId,
        record: alice.description(carol.peerId),
      }),
    ],
    [
      'one to nobody',
      (alice) => {
        const nobody = createMember();
        return { to: nobody.peerId, record: alice.description(nobody.peerId) };
      },
    ],
    [
      'one that is no JSON',
      (_alice, bob) => ({
        to: bob.peerId,
        record: { body: '!', signature: 'A'.repeat(86) },
      }),
    ],
    ['an announcement', (alice, bob) => ({ to: bob.peerId, record: alice.announcement() })],
    ['nothing', () => null],
  ] satisfies [string, (...members: [TestMember, TestMember, TestMember]) => unknown][])(
    'SG12: drops a wrong description and goes on: %s',
    async (_name, make) => {
      const { connect } = await startHub();
      const [alice, bob, carol] = [createMember(), createMember(), createMember()];
      const [aliceSocket, bobSocket] = [connect(), connect()];
      await join(aliceSocket, alice);
      await join(bobSocket, bob);
      const first = next(bobSocket, 'description');

      aliceSocket.emit('describe', make(alice, bob, carol) as never);
      const valid = alice.description(bob.peerId);
      aliceSocket.emit('describe', { to: bob.peerId, record: valid });

      expect(await first).toEqual(valid);
    },
  );
});

describe('who breaks the rules', () => {
  it('SG13: a message past the size limit ends its own connection only', async () => {
    const { connect, hub } = await startHub();
    const [alice, bob] = [createMember(), createMember()];
    const [aliceSocket, bobSocket] = [connect(), connect()];
    await join(bobSocket, bob);
    await join(aliceSocket, alice);
    const seen = collectRoster(bobSocket);
    const gone = ended(aliceSocket);

    aliceSocket.emit('announce', {
      body: 'x'.repeat(MAX_SIGNALING_BYTES),
      signature: 'x',
    });

    await gone;
    expect(await seen.removal(alice.peerId)).toBe(true);
    expect(hub.memberCount()).toBe(1);
    expect(bobSocket.connected).toBe(true);
  });

  it('SG14: an unknown event is dropped; the member stays', async () => {
    const { connect, warnings } = await startHub();
    const alice = createMember();
    const socket = connect();
    const seen = collectRoster(socket);
    await join(socket, alice);
    await seen.upserted(alice.peerId);

    (socket as unknown as { emit(event: string, value: string): void }).emit('shutdown', 'now');
    socket.emit('announce', alice.announcement());

    await seen.upserted(alice.peerId);
    expect(warnings).toEqual([]);
  });

  it('WR17: what a newer member says beyond what is known here is skipped, and a flood of it ends the connection', async () => {
    const { connect, warnings, hub } = await startHub({ limits: { offences: { perSecond: 0.001, burst: 20 } } });
    const alice = createMember();
    const socket = connect();
    const seen = collectRoster(socket);
    await join(socket, alice);
    await seen.upserted(alice.peerId);

    const emit = (event: string, value: unknown) =>
      (socket as unknown as { emit(event: string, value: unknown): void }).emit(event, value);
    for (let sent = 0; sent < 20; sent += 1) emit('vouch', { for: 'somebody' });
    emit('report', { servedBy: 'pool', members: 3 });
    socket.emit('announce', alice.announcement({ kind: 'satellite' as never }));
    await seen.upserted(alice.peerId);
    expect(warnings).toEqual([]);
    expect(hub.memberCount()).toBe(1);

    const gone = ended(socket);
    for (let sent = 0; sent < 30; sent += 1) emit('vouch', { for: 'somebody' });
    await gone;
    expect(hub.memberCount()).toBe(0);
  });

  it('SG15: announcements past the limit are dropped; who goes on is refused and disconnected', async () => {
    const clock = new ManualClock(systemClock.wallMs());
    const { connect, warnings, hub } = await startHub({
      clock,
      limits: {
        announcements: { perSecond: 5, burst: 10 },
        offences: { perSecond: 1, burst: 3 },
      },
    });
    const alice = createMember();
    const socket = connect();
    await join(socket, alice);
    const refused = next(socket, 'refused');
    const gone = ended(socket);

    for (let sent = 0; sent < 10 + 3 + 1; sent += 1) socket.emit('announce', alice.announcement());

    expect(await refused).toMatchObject({
      code: 'mesh_busy',
      message: expect.stringContaining('faster'),
    });
    await gone;
    expect(warnings).toHaveLength(4);
    expect(hub.memberCount()).toBe(0);
  });

  it('SG14: a second join is dropped like any wrong message', async () => {
    const { connect, warnings } = await startHub();
    const alice = createMember();
    const socket = connect();
    const seen = collectRoster(socket);
    await join(socket, alice);
    await seen.upserted(alice.peerId);

    socket.emit('join', {} as never);
    socket.emit('announce', alice.announcement());

    await seen.upserted(alice.peerId);
    expect(warnings).toEqual(['A message was dropped.']);
  });
});

it('SG16: a closed hub disconnects everyone and leaves no timer', async () => {
  const clock = new ManualClock(systemClock.wallMs());
  const { connect, hub } = await startHub({ clock });
  const [joined, challenged] = [connect(), connect()];
  await join(joined, createMember());
  await challenged.challenge;
  const gone = Promise.all([ended(joined), ended(challenged)]);

  hub.close();
  hub.close();

  await gone;
  expect(hub.memberCount()).toBe(0);
  expect(clock.pendingTimers()).toBe(0);
});
