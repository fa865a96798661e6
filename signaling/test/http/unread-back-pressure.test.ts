/** Clients that ask, stay and never read, over real sockets. */
import { type AddressInfo, connect } from 'node:net';
import { silentLogger } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { expect, it, onTestFinished } from 'vitest';
import { buildServer } from '../../src/build-server.ts';
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
