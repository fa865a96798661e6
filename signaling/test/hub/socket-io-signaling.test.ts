import { createServer } from 'node:http';
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from 'node:net';
import {
  createSocketIoSignaling,
  type JoinRefusal,
  MeshError,
  type Signaling,
  type SignedRecord,
  silentLogger,
  systemClock,
  systemRandom,
  type Welcome,
} from '@tabmesh/shared';
import { Server as SocketServer } from 'socket.io';
import { afterEach, expect, it } from 'vitest';
import { createHub, type HubOptions } from '../../src/hub/hub.ts';
import { createMember, type TestMember } from '../setup/member.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

it('SG20: proves the key, hears the roster, and descriptions go from end to end', async () => {
  const { url } = await startEntry();
  const [alice, bob] = [createMember(), createMember()];
  const aliceSide = joinMesh(url, alice);
  await aliceSide.news('welcome');
  const bobSide = joinMesh(url, bob);
  await bobSide.news('welcome');
  const record = alice.description(bob.peerId);

  aliceSide.signaling.describe(bob.peerId, record);

  expect(await bobSide.news('description')).toEqual(record);
});

it('SG31: an announcement made before the welcome is not lost', async () => {
  const { url } = await startEntry();
  const [alice, bob] = [createMember(), createMember()];
  const bobSide = joinMesh(url, bob);
  await bobSide.news('welcome');
  const aliceSide = joinMesh(url, alice);
  await aliceSide.news('challenge');
  await Promise.resolve();
  const second = alice.announcement({ state: 'draining' });

  aliceSide.signaling.announce(second);

  for (;;) {
    const { upserted } = (await bobSide.news('roster')) as {
      upserted: SignedRecord[];
    };
    if (upserted.some((record) => record.signature === second.signature)) break;
  }
});

it('SG21: joins again when the entry comes back on its port', async () => {
  const first = await startEntry();
  const aliceSide = joinMesh(first.url, createMember());
  await aliceSide.news('welcome');

  await first.close();
  expect(await aliceSide.news('offline')).toContain('ended');
  await startEntry(first.port);

  await aliceSide.news('welcome');
});

it('SG21: joins again after the entry disconnected it without a reason', async () => {
  const { url, sockets } = await startBareEntry();
  const aliceSide = joinMesh(url, createMember());
  await aliceSide.news('challenge');

  sockets.disconnectSockets(true);

  expect(await aliceSide.news('offline')).toContain('ended');
  await aliceSide.news('challenge');
});

it('SG21: keeps on trying while nobody answers, and says where', async () => {
  const { url, close } = await startEntry();
  await close();
  const aliceSide = joinMesh(url, createMember());

  expect(await aliceSide.news('offline')).toBe(`no entry answers at ${url}`);
  expect(await aliceSide.news('offline')).toBe(`no entry answers at ${url}`);
});

it('SG21: comes back after a refusal that passes', async () => {
  const { url } = await startEntry(0, { members: 1 });
  const aliceSide = joinMesh(url, createMember());
  await aliceSide.news('welcome');
  const bobSide = joinMesh(url, createMember());
  expect(await bobSide.news('refused')).toMatchObject({ code: 'mesh_busy' });
  await bobSide.news('offline');

  aliceSide.signaling.close();

  await bobSide.news('welcome');
});

it('SG51: comes back after every other refusal, also one that does not say whether it is final', async () => {
  const { url, sockets } = await startBareEntry();
  const aliceSide = joinMesh(url, createMember());
  const refusals = [
    { code: 'protocol_violation', message: 'The peer has not joined yet.' },
    { code: 'signature_invalid', message: 'The proof was made for another connection.', final: false },
    { code: 'unauthorized', message: 'Not before the first of the month.', final: false },
    { code: 'of-tomorrow', message: 'Nobody knows.' },
  ] as const;
  for (const { code, message, ...word } of refusals) {
    await aliceSide.news('challenge');
    sockets.emit('refused', { code, message, ...word });
    sockets.disconnectSockets(true);
    expect(await aliceSide.news('refused')).toMatchObject({ message, final: false });
    expect(await aliceSide.news('offline')).toBe(message);
  }
  await aliceSide.news('challenge');
});

it('SG51: takes it for final when an older entry says that the key has joined again', async () => {
  const { url, sockets } = await startBareEntry();
  const aliceSide = joinMesh(url, createMember());
  await aliceSide.news('challenge');
  sockets.emit('welcome', { entryPeerId: null, iceServers: [], roster: [] });
  await aliceSide.news('welcome');

  sockets.emit('refused', { code: 'protocol_violation', message: 'The same key has joined again from elsewhere.' });

  expect(await aliceSide.news('refused')).toMatchObject({ final: true });
  expect(aliceSide.heard()).toEqual([]);
});

it('SG52: says nothing before its join, whatever it had to say while it was cut off', async () => {
  const { url, sockets } = await startBareEntry({ pingInterval: 50, pingTimeout: 50 });
  const said: string[][] = [];
  sockets.on('connection', (socket) => {
    const here: string[] = [];
    said.push(here);
    socket.onAny((event: string) => {
      here.push(event);
      if (event === 'join') socket.emit('welcome', { entryPeerId: null, iceServers: [], roster: [] });
    });
  });
  const [alice, bob] = [createMember(), createMember()];
  const aliceSide = joinMesh(url, alice);
  await aliceSide.news('welcome');

  stall(400);
  aliceSide.signaling.announce(alice.announcement());
  aliceSide.signaling.describe(bob.peerId, alice.description(bob.peerId));
  aliceSide.signaling.report({ servedBy: 'failed' });
  await aliceSide.news('offline');
  aliceSide.signaling.announce(alice.announcement());
  await aliceSide.news('welcome');
  aliceSide.signaling.report({ servedBy: 'failed' });

  await expect.poll(() => said).toEqual([['join'], ['join', 'report']]);
});

it('SG53: a member whose process stalled joins again', async () => {
  const { url, hub } = await startEntry(0, { pingIntervalMs: 50, pingTimeoutMs: 50 });
  const alice = createMember();
  const aliceSide = joinMesh(url, alice);
  for (let stalled = 0; stalled < 3; stalled += 1) {
    await aliceSide.news('welcome');
    stall(400);
    aliceSide.signaling.announce(alice.announcement());
    await aliceSide.news('offline');
  }
  await aliceSide.news('welcome');
  expect(aliceSide.heard()).not.toContain('refused');
  expect(hub.memberCount()).toBe(1);
});

it('SG53: a member whose network changed without a word joins again', async () => {
  const { port, hub } = await startEntry(0, { pingIntervalMs: 100, pingTimeoutMs: 200 }, ['127.0.0.1']);
  const network = await startNetwork(port);
  const aliceSide = joinMesh(network.url, createMember());
  await aliceSide.news('welcome');

  network.change();

  expect(await aliceSide.news('offline')).toContain('ping timeout');
  await aliceSide.news('welcome');
  expect(aliceSide.heard()).not.toContain('refused');
  expect(hub.memberCount()).toBe(1);
});

it('SG22: a final refusal ends it: the replaced one of two with the same key stays away', async () => {
  const { url, hub } = await startEntry();
  const alice = createMember();
  const old = joinMesh(url, alice);
  await old.news('welcome');
  const fresh = joinMesh(url, alice);
  await fresh.news('welcome');

  expect(await old.news('refused')).toMatchObject({
    code: 'protocol_violation',
  });
  expect(old.heard()).not.toContain('offline');
  expect(hub.memberCount()).toBe(1);
});

it('SG22: close ends it, also while it waits for another try', async () => {
  const { url, close } = await startEntry();
  const aliceSide = joinMesh(url, createMember());
  await aliceSide.news('challenge');
  await aliceSide.news('welcome');
  await close();
  await aliceSide.news('offline');

  aliceSide.signaling.close();
  aliceSide.signaling.close();
  aliceSide.signaling.announce(createMember().announcement());

  expect(aliceSide.heard()).toEqual([]);
});

it('SG23: what an entry sends in a wrong form is dropped', async () => {
  const { url, sockets } = await startBareEntry();
  const aliceSide = joinMesh(url, createMember());
  await aliceSide.news('challenge');
  const record = createMember().announcement();

  sockets.emit('challenge', { nonce: 'short', nowMs: 0 });
  sockets.emit('welcome', { roster: 'all' });
  sockets.emit('roster', { upserted: [7], removed: [] });
  sockets.emit('refused', { code: 'whatever' });
  sockets.emit('description');
  sockets.emit('gossip', 1);
  sockets.emit('description', record);

  expect(await aliceSide.news('description')).toEqual(record);
  expect(aliceSide.heard()).toEqual([]);
});

it.each(['', 'localhost:8080', 'ftp://example.org', 'no address'])('SG24: %j is no address of an entry', (url) => {
  expect(() => createSocketIoSignaling({ url })).toThrow(MeshError);
});

type News = 'challenge' | 'welcome' | 'refused' | 'roster' | 'description' | 'offline';

/** One end on the adapter; what it hears waits in order of kind until it is asked for. */
function joinMesh(url: string, member: TestMember) {
  const signaling: Signaling = createSocketIoSignaling({ url });
  cleanups.push(() => signaling.close());
  const unread: { kind: News; payload: unknown }[] = [];
  let wake = () => {};
  const hear = (kind: News, payload: unknown) => {
    unread.push({ kind, payload });
    wake();
  };
  signaling.start({
    onChallenge({ nonce }, entry) {
      hear('challenge', nonce);
      return {
        proof: member.identity.sign({
          type: 'join-proof',
          peerId: member.peerId,
          nonce,
          entry,
        }),
        announcement: member.announcement(),
      };
    },
    onWelcome: (welcome: Welcome) => hear('welcome', welcome),
    onRefused: (refusal: JoinRefusal) => hear('refused', refusal),
    onRoster: (delta) => hear('roster', delta),
    onDescription: (record) => hear('description', record),
    onOffline: (reason) => hear('offline', reason),
  });
  return {
    signaling,
    heard: () => unread.map(({ kind }) => kind).filter((kind) => kind !== 'roster'),
    async news(kind: News): Promise<unknown> {
      for (;;) {
        const index = unread.findIndex((item) => item.kind === kind);
        if (index >= 0) return unread.splice(index, 1)[0]?.payload;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

async function startEntry(port = 0, limits: HubOptions['limits'] = {}, hosts: readonly string[] = []) {
  const server = createServer();
  const hub = createHub({
    server,
    entryPeerId: null,
    hosts,
    iceServers: [],
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    limits,
  });
  const url = await listen(server, port);
  const close = async () => {
    hub.close();
    await new Promise((resolve) => server.close(resolve));
  };
  cleanups.push(close);
  return { hub, url, port: Number(new URL(url).port), close };
}

/** A socket.io server that challenges and then does what the test says. */
async function startBareEntry(pings: { pingInterval?: number; pingTimeout?: number } = {}) {
  const server = createServer();
  const sockets = new SocketServer(server, pings);
  sockets.on('connection', (socket) => socket.emit('challenge', { nonce: 'a'.repeat(64), nowMs: 0 }));
  const url = await listen(server, 0);
  cleanups.push(() => sockets.close());
  return { url, sockets };
}

/** As when the process is stopped, or the machine asleep: time goes on and nothing else does. */
function stall(forMs: number): void {
  const untilMs = performance.now() + forMs;
  while (performance.now() < untilMs);
}

/** The way to a port. When it changes, what goes over connections that are open is lost, and nobody is told. */
async function startNetwork(port: number) {
  let era = 0;
  const ends = new Set<Socket>();
  const network = createTcpServer((near) => {
    const far = connect(port, '127.0.0.1');
    const began = era;
    for (const [from, to] of [[near, far] as const, [far, near] as const]) {
      ends.add(from);
      from.on('data', (bytes) => {
        if (era === began) to.write(bytes);
      });
      from.on('error', () => {});
      from.on('close', () => {
        ends.delete(from);
        if (era === began) to.destroy();
      });
    }
  });
  const url = await listen(network, 0);
  cleanups.push(() => {
    for (const end of ends) end.destroy();
    network.close();
  });
  return {
    url,
    change: () => {
      era += 1;
    },
  };
}

async function listen(server: TcpServer, port: number): Promise<string> {
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
