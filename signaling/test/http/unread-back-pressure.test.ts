/** Clients that ask, stay and never read, over real sockets. */
import { type AddressInfo, connect } from 'node:net';
import { silentLogger } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { buildServer } from '../../src/build-server.ts';
import { UnreadBytes } from '../../src/limits/unread-bytes.ts';
import { createScriptedMesh } from '../setup/scripted-mesh.ts';

it.each<[string, object]>([
  ['/v1/chat/completions', { messages: [{ role: 'user', content: 'Hi' }] }],
  ['/v1/completions', { prompt: 'Hi' }],
  ['/v1/responses', { input: 'Hi', store: false }],
])('AP34: who reads nothing of %s for a minute is cut off, and its job is cancelled', async (path, body) => {
  const clock = new ManualClock();
  const say = 'x'.repeat(1024 * 1024);
  const mesh = createScriptedMesh(Array.from({ length: 200 }, () => ({ say })));
  const app = buildServer({ mesh, version: 'test', clock, logger: silentLogger });
  onTestFinished(() => app.close());
  await app.listen({ host: '127.0.0.1', port: 0 });
  const text = JSON.stringify({ ...body, stream: true });
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.pause();
  socket.on('error', () => {});
  socket.write(
    `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
  );
  let cancelled = false;
  void mesh.cancelled.then(() => {
    cancelled = true;
  });
  await mesh.asked;
  while (!cancelled) await clock.advance(60_000);
  expect(mesh.stepsTaken).toBeLessThan(100);
  expect(clock.pendingTimers()).toBe(0);
});

describe('a reply that is not read', () => {
  const MIB = 1024 * 1024;

  async function start(script: Parameters<typeof createScriptedMesh>[0]) {
    const mesh = createScriptedMesh(script);
    const app = buildServer({ mesh, version: 'test', clock: new ManualClock(), logger: silentLogger });
    onTestFinished(() => app.close());
    await app.listen({ host: '127.0.0.1', port: 0 });
    return { mesh, app, port: (app.server.address() as AddressInfo).port };
  }

  /** Sends a request and reads nothing of the reply. */
  function askSilently(port: number, path: string, body: object, localAddress = '127.0.0.1') {
    const text = JSON.stringify(body);
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => {});
    socket.pause();
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
    );
    return { socket, ended };
  }

  it('AP102: takes at most 16 MiB for one network, past which its largest is cut off, and others are answered', async () => {
    const { app, port } = await start([{ say: 'x'.repeat(12 * MIB) }]);
    let mostBytes = 0;
    const asked = Array.from({ length: 8 }, () => askSilently(port, '/v1/completions', { prompt: 'Hi' }));
    const cut = asked.map(({ ended }) => ended);
    for (let turn = 0; turn < 500; turn += 1) {
      await new Promise(setImmediate);
      mostBytes = Math.max(mostBytes, app.unreadReplies.bytes);
    }
    // Whoever is cut off sees so once it reads.
    for (const { socket } of asked) socket.resume();
    await Promise.race(cut);
    expect(mostBytes).toBeLessThanOrEqual(16 * MIB);
    expect(mostBytes).toBeGreaterThan(0);

    const reader = askSilently(port, '/v1/completions', { prompt: 'Hi' }, '127.0.0.2');
    let read = 0;
    reader.socket.on('data', (bytes) => {
      read += bytes.length;
    });
    reader.socket.resume();
    while (read < 12 * MIB) await new Promise(setImmediate);
    for (const { socket } of asked) socket.destroy();
    while (app.unreadReplies.bytes > 0) await new Promise(setImmediate);
  });

  it('AP102: counts while it streams, too', async () => {
    const { app, port } = await start(Array.from({ length: 8 }, () => ({ say: 'x'.repeat(5 * MIB) })));
    const asked = Array.from({ length: 8 }, () => askSilently(port, '/v1/completions', { prompt: 'Hi', stream: true }));
    let mostBytes = 0;
    for (let turn = 0; turn < 500; turn += 1) {
      await new Promise(setImmediate);
      mostBytes = Math.max(mostBytes, app.unreadReplies.bytes);
    }
    expect(mostBytes).toBeGreaterThan(0);
    expect(mostBytes).toBeLessThanOrEqual(16 * MIB);
    for (const { socket } of asked) socket.destroy();
    while (app.unreadReplies.bytes > 0) await new Promise(setImmediate);
  });
});

it('AP103: all replies together take 64 MiB at most, past which the client that holds most loses its largest', () => {
  const cut: string[] = [];
  const unread = new UnreadBytes({ ofClient: 100, ofAll: 250 });
  const open = (client: string, bytes: number) => {
    const share = unread.open(client, () => void cut.push(`${client} ${bytes}`));
    share.set(bytes);
    return share;
  };
  for (let turn = 0; turn < 9; turn += 1) open('many small', 10);
  open('one large', 80);
  const last = open('bob', 70);
  expect(cut).toEqual([]);
  open('carol', 20);
  expect(cut).toEqual(['many small 10']);
  last.set(0);
  last.close();
  last.close();
  open('dave', 100);
  open('dave', 1);
  expect(cut).toEqual(['many small 10', 'dave 100']);
  expect(unread.bytes).toBe(181);
});
