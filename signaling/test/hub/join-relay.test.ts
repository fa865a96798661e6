/** An entry in the middle: it passes another's challenge on to its own visitor, to join there in the visitor's name. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  Announcement,
  createMesh,
  createSocketIoSignaling,
  type Join,
  JoinProof,
  type JoinRefusal,
  PROTOCOL_VERSION,
  parseJson,
  silentLogger,
  systemClock,
  systemRandom,
} from '@tabmesh/shared';
import { createNodeTransport } from '@tabmesh/shared/node';
import { Server } from 'socket.io';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createMember, ended, join, next } from '../setup/member.ts';
import { startHub } from '../setup/start-hub.ts';

describe('an entry that passes a challenge on to its visitor', () => {
  it.each([
    ['by its own address', undefined],
    ['by the address that the visitor dialled', (relay: string) => ({ host: relay })],
  ])('SG54: does not join in the visitor’s name, calling %s', async (_name, headersOf) => {
    const { hub, connect, url } = await startHub();
    const relay = await startRelay((host) => connect(headersOf?.(host)));
    const visitor = createMember();
    visit(relay.url, visitor);

    const { proof, answer } = await relay.answered();

    expect(proof).toMatchObject({ peerId: visitor.peerId, entry: new URL(relay.url).host });
    expect(answer).toMatchObject({ code: 'signature_invalid', message: expect.stringContaining(relay.host) });
    expect(hub.memberCount()).toBe(0);
    expect(new URL(url).host).not.toBe(relay.host);
  });

  it('SG54: nor can it take the address out of the proof, or another in', async () => {
    const { hub, connect, url } = await startHub();
    const forge = ({ proof, ...others }: Join): Join => {
      const { entry: _entry, ...old } = JSON.parse(proof.body) as Record<string, unknown>;
      return { ...others, proof: { ...proof, body: JSON.stringify(old) } };
    };
    const rename = ({ proof, ...others }: Join): Join => ({
      ...others,
      proof: { ...proof, body: JSON.stringify({ ...JSON.parse(proof.body), entry: new URL(url).host }) },
    });
    for (const change of [forge, rename]) {
      const relay = await startRelay(() => connect(), change);
      visit(relay.url, createMember());
      expect((await relay.answered()).answer).toMatchObject({ code: 'signature_invalid' });
    }
    expect(hub.memberCount()).toBe(0);
  });

  it('SG54: whom its visitor calls by one of its own addresses it welcomes', async () => {
    const { hub, url } = await startHub();
    const { port } = new URL(url);
    for (const address of [url, `http://localhost:${port}`]) {
      const member = createMember();
      const welcomed = visit(address, member);
      await welcomed;
    }
    expect(hub.memberCount()).toBe(2);
  });

  it('SG54: what a mesh signs names the entry', async () => {
    const { hub, connect } = await startHub();
    const relay = await startRelay(() => connect());
    const mesh = createMesh({
      identity: createMember().identity,
      kind: 'native',
      version: '0.0.0-test',
      signaling: [createSocketIoSignaling({ url: relay.url })],
      transports: [createNodeTransport()],
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    });
    onTestFinished(() => mesh.close());
    const { proof, answer } = await relay.answered();
    expect(proof.entry).toBe(relay.host);
    expect(answer).toMatchObject({ code: 'signature_invalid' });
    expect(hub.memberCount()).toBe(0);
  });

  it('WR30: a member of November 2026 names no entry and is welcomed', async () => {
    const { hub, connect } = await startHub();
    const socket = connect();
    await join(socket, createMember());
    expect(hub.memberCount()).toBe(1);
  });
});

/** Joins as a member of this version does; resolves with the welcome. */
function visit(url: string, member: ReturnType<typeof createMember>): Promise<unknown> {
  const signaling = createSocketIoSignaling({ url });
  onTestFinished(() => signaling.close());
  return new Promise((resolve) =>
    signaling.start({
      onChallenge: ({ nonce }, entry) => ({
        proof: member.identity.sign({ type: 'join-proof', peerId: member.peerId, nonce, entry }),
        announcement: member.announcement(),
      }),
      onWelcome: resolve,
      onRefused() {},
      onRoster() {},
      onDescription() {},
      onOffline() {},
    }),
  );
}

/** Talks to its visitor as an entry does, and to the other entry as the visitor. */
async function startRelay(
  toOther: (host: string) => ReturnType<Awaited<ReturnType<typeof startHub>>['connect']>,
  change = (sent: Join) => sent,
) {
  const server = createServer();
  const sockets = new Server(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  onTestFinished(() => void sockets.close());
  const answered = new Promise<{ proof: JoinProof; answer: JoinRefusal | string }>((resolve) => {
    sockets.once('connection', async (visitor) => {
      const other = toOther(host);
      visitor.on('join', async (sent: Join) => {
        const proof = parseJson(JoinProof, sent.proof.body);
        parseJson(Announcement, sent.announcement.body);
        expect(sent.protocol).toBe(PROTOCOL_VERSION);
        const answer = Promise.race([
          next(other, 'refused'),
          next(other, 'welcome').then(() => 'welcome'),
          ended(other),
        ]);
        other.emit('join', change(sent));
        resolve({ proof, answer: await answer });
      });
      visitor.emit('challenge', await other.challenge);
    });
  });
  return { url: `http://${host}`, host, answered: () => answered };
}
