import { type Join, PROTOCOL_VERSION, systemClock } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createMember, ended, join, next, openSocket, type TestMember, type TestSocket } from '../setup/member.ts';
import { collectRoster, startHub } from '../setup/start-hub.ts';

describe('joining', () => {
  it('SG1: welcomes a peer that proves its key, with everyone who is there', async () => {
    const { connect, hub } = await startHub();
    const [alice, bob] = [createMember(), createMember()];
    const aliceRecord = alice.announcement();

    await join(connect(), alice, aliceRecord);
    const welcome = await join(connect(), bob);

    expect(welcome.entryPeerId).toBeNull();
    expect(welcome.iceServers).toEqual([{ urls: 'stun:stun.example' }]);
    expect(welcome.roster).toContainEqual(aliceRecord);
    expect(hub.memberCount()).toBe(2);
  });

  it('SG1: refuses a proof that another key has signed', async () => {
    const { connect, hub } = await startHub();
    const [alice, mallory] = [createMember(), createMember()];
    const socket = connect();
    const gone = ended(socket);

    const refusal = await sendJoin(socket, alice, (nonce) => ({
      proof: mallory.identity.sign({ type: 'join-proof', peerId: alice.peerId, nonce }),
    }));

    expect(refusal).toMatchObject({ code: 'signature_invalid' });
    await gone;
    expect(hub.memberCount()).toBe(0);
  });

  it('SG1: refuses a proof over a nonce of its own', async () => {
    const { connect } = await startHub();
    const alice = createMember();

    const refusal = await sendJoin(connect(), alice, () => ({
      proof: alice.identity.sign({ type: 'join-proof', peerId: alice.peerId, nonce: 'a'.repeat(64) }),
    }));

    expect(refusal).toMatchObject({ code: 'signature_invalid', message: expect.stringContaining('Connect again') });
  });

  it('SG1: refuses a proof that was overheard on another connection', async () => {
    const { connect, hub } = await startHub();
    const alice = createMember();
    const first = connect();
    const { nonce } = await first.challenge;
    const overheard = {
      protocol: PROTOCOL_VERSION,
      proof: alice.identity.sign({
        type: 'join-proof',
        peerId: alice.peerId,
        nonce,
      }),
      announcement: alice.announcement(),
    };
    const welcome = next(first, 'welcome');
    first.emit('join', overheard);
    await welcome;

    const second = connect();
    await second.challenge;
    const refused = next(second, 'refused');
    second.emit('join', overheard);

    expect(await refused).toMatchObject({ code: 'signature_invalid' });
    expect(hub.memberCount()).toBe(1);
    expect(first.connected).toBe(true);
  });

  it('SG1: refuses a joiner that announces somebody else', async () => {
    const { connect } = await startHub();

    const refusal = await sendJoin(connect(), createMember(), () => ({ announcement: createMember().announcement() }));

    expect(refusal).toMatchObject({ code: 'signature_invalid' });
  });

  it('SG2: refuses another protocol version with what to do', async () => {
    const { connect } = await startHub();

    const refusal = await sendJoin(connect(), createMember(), () => ({ protocol: PROTOCOL_VERSION + 1 }));

    expect(refusal).toMatchObject({ code: 'protocol_violation', message: expect.stringContaining('Update') });
  });

  it('SG2: refuses an announcement that is long past its lifetime and says what to do', async () => {
    const { connect } = await startHub();
    const alice = createMember();

    const refusal = await sendJoin(connect(), alice, () => ({
      announcement: alice.announcement({ issuedAtMs: systemClock.wallMs() - 3_600_000 }),
    }));

    expect(refusal).toMatchObject({ message: expect.stringContaining('Join again') });
  });

  it.each([
    ['nothing', undefined],
    ['a number', 7],
    ['an empty object', {}],
    ['a proof that is no record', { protocol: 1, proof: 'x', announcement: 'y' }],
    [
      'a body that is no JSON',
      {
        protocol: 1,
        proof: { body: '{', signature: 'A'.repeat(86) },
        announcement: { body: '', signature: '' },
      },
    ],
  ])('SG2: refuses a malformed join: %s', async (_name, payload) => {
    const { connect, hub } = await startHub();
    const socket = connect();
    await socket.challenge;
    const refused = next(socket, 'refused');

    socket.emit('join', payload as never);

    expect(await refused).toMatchObject({ code: 'protocol_violation' });
    expect(hub.memberCount()).toBe(0);
  });

  it('SG50: what was said before the join is not read, and the join counts all the same', async () => {
    const { connect, hub } = await startHub();
    const [alice, bob] = [createMember(), createMember()];
    const watcher = connect();
    await join(watcher, bob);
    const seen = collectRoster(watcher);
    const descriptions: unknown[] = [];
    watcher.on('description', (record) => descriptions.push(record));
    const socket = connect();
    await socket.challenge;

    const stale = alice.announcement({ version: 'before' });
    socket.emit('announce', stale);
    socket.emit('announce', 'no record' as never);
    socket.emit('describe', { to: bob.peerId, record: alice.description(bob.peerId) });
    socket.emit('report', { servedBy: 'failed' });
    await join(socket, alice);

    await seen.upserted(alice.peerId);
    expect(seen.records).not.toContainEqual(stale);
    expect(descriptions).toEqual([]);
    expect(hub.memberCount()).toBe(2);
  });

  it('SG50: a flood of it is refused, and not for ever', async () => {
    const { connect } = await startHub({ limits: { early: { perSecond: 0.001, burst: 5 } } });
    const socket = connect();
    await socket.challenge;
    const refused = next(socket, 'refused');

    for (let said = 0; said < 6; said += 1) socket.emit('announce', createMember().announcement());

    expect(await refused).toMatchObject({ code: 'mesh_busy', final: false });
  });

  it('SG51: says of no refusal but one that it is final', async () => {
    const { connect } = await startHub();
    const refusals = await Promise.all([
      sendJoin(connect(), createMember(), () => ({ protocol: PROTOCOL_VERSION + 1 })),
      sendJoin(connect(), createMember(), () => ({ announcement: createMember().announcement() })),
      sendJoin(connect(), createMember(), () => ({ proof: 'none' as never })),
    ]);
    expect(refusals.map(({ final }) => final)).toEqual([false, false, false]);
  });

  it('SG56: nobody but the entry itself joins as one, or becomes one', async () => {
    const entry = createMember();
    const { connect } = await startHub({ entryPeerId: entry.peerId });
    const alice = createMember();

    const refusal = await sendJoin(connect(), alice, () => ({ announcement: alice.announcement({ kind: 'entry' }) }));
    expect(refusal).toMatchObject({ code: 'protocol_violation', message: expect.stringContaining('as a peer') });

    await join(connect(), entry, entry.announcement({ kind: 'entry' }));
    const socket = connect();
    await join(socket, alice);
    const watcher = connect();
    await join(watcher, createMember());
    const seen = collectRoster(watcher);
    socket.emit('announce', alice.announcement({ kind: 'entry' }));
    const good = alice.announcement();
    socket.emit('announce', good);
    expect(await seen.upserted(alice.peerId)).toEqual(good);
  });

  it('SG3: disconnects a socket that does not join within 10 s', async () => {
    const clock = new ManualClock();
    const { connect } = await startHub({ clock });
    const socket = connect();
    await socket.challenge;
    const gone = ended(socket);

    await clock.advance(10_000);

    await gone;
    expect(clock.pendingTimers()).toBe(0);
  });

  it('SG4: a second connection of one key takes over, and nobody sees the peer leave', async () => {
    const { connect, hub } = await startHub();
    const [alice, bob] = [createMember(), createMember()];
    const watcher = connect();
    await join(watcher, bob);
    const old = connect();
    const seen = collectRoster(watcher);
    await join(old, alice);
    await seen.upserted(alice.peerId);
    const refused = next(old, 'refused');
    const oldGone = ended(old);

    const fresh = connect();
    await join(fresh, alice);

    expect(await refused).toMatchObject({
      code: 'protocol_violation',
      message: expect.stringContaining('newer'),
      final: true,
    });
    await oldGone;
    await seen.upserted(alice.peerId);
    expect(seen.removed).toEqual([]);
    expect(hub.memberCount()).toBe(2);
  });

  it('SG5: keeps out the pages of other sites, but not programs and own pages', async () => {
    const { url, connect } = await startHub();
    const stranger = openSocket(url, {
      extraHeaders: { origin: 'https://evil.example' },
    });
    onTestFinished(() => void stranger.disconnect());
    await new Promise((resolve) => stranger.once('connect_error', resolve));
    expect(stranger.connected).toBe(false);

    const own = openSocket(url, { extraHeaders: { origin: url } });
    onTestFinished(() => void own.disconnect());
    await own.challenge;
    await connect().challenge;
  });

  it('SG6: refuses joins past the limit of their address, as something that passes', async () => {
    const { connect } = await startHub({
      limits: { joinsPerAddress: { perSecond: 0.001, burst: 2 } },
    });
    await connect().challenge;
    await connect().challenge;

    expect(await next(connect(), 'refused')).toMatchObject({
      code: 'mesh_busy',
    });
  });

  it('SG6: refuses a peer when the entry is full', async () => {
    const { connect } = await startHub({ limits: { members: 1 } });
    await join(connect(), createMember());

    expect(await next(connect(), 'refused')).toMatchObject({
      code: 'mesh_busy',
    });
  });
});

/** Answers the challenge with a join that is wrong in one point; resolves with the refusal. */
async function sendJoin(socket: TestSocket, member: TestMember, change: (nonce: string) => Partial<Join>) {
  const { nonce } = await socket.challenge;
  const refused = next(socket, 'refused');
  const proof = member.identity.sign({ type: 'join-proof', peerId: member.peerId, nonce });
  socket.emit('join', {
    protocol: PROTOCOL_VERSION,
    proof,
    announcement: member.announcement(),
    ...change(nonce),
  });
  return refused;
}
