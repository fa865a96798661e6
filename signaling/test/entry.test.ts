import { type AddressInfo, createServer } from 'node:net';
import {
  createIdentity,
  createMesh,
  createSocketIoSignaling,
  type Mesh,
  silentLogger,
  systemClock,
  systemRandom,
} from '@tabmesh/shared';
import { createNodeTransport } from '@tabmesh/shared/node';
import { createScriptedEngine } from '@tabmesh/shared/testing';
import OpenAI from 'openai';
import { afterEach, expect, it } from 'vitest';
import { startEntry } from '../src/entry.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

it('SG25: an API call reaches a peer over WebRTC and streams its answer back', async () => {
  const entry = await startTestEntry();
  const { mesh, engine } = startPeer(entry.url);
  await until(entry.mesh, () => entry.mesh.defaultModel() !== undefined);
  const openai = new OpenAI({ baseURL: `${entry.url}/v1`, apiKey: 'none', maxRetries: 0 });

  const { data: stream, response } = await openai.chat.completions
    .create({ model: 'scripted-model', messages: [{ role: 'user', content: 'Hi there' }], stream: true })
    .withResponse();
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';

  expect(response.headers.get('x-tabmesh-peer')).toBe(mesh.peerId);
  expect(text.length).toBeGreaterThan(20);
  expect(engine.requests).toHaveLength(1);
  expect((await fetch(`${entry.url}/readyz`)).status).toBe(200);
});

it('SG28: a client that leaves frees the slot of the peer', async () => {
  const entry = await startTestEntry();
  const { mesh, engine } = startPeer(entry.url, { tokens: 100_000, contextTokens: 200_000 });
  await until(entry.mesh, () => entry.mesh.defaultModel() !== undefined);
  const abort = new AbortController();
  await fetch(`${entry.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [{ role: 'user', content: 'Hi' }], stream: true }),
    signal: abort.signal,
  });
  expect(engine.running()).toBe(1);

  abort.abort();

  await until(mesh, () => mesh.serving().activeJobs === 0);
  expect(engine.running()).toBe(0);
});

it('SG29: the entry is a member that everyone sees, and a peer that leaves is gone', async () => {
  const entry = await startTestEntry();
  const { mesh } = startPeer(entry.url);
  await until(mesh, () => mesh.peers().some(({ announcement }) => announcement.kind === 'entry'));
  await until(entry.mesh, () => entry.mesh.models().length === 1);

  await mesh.close();

  await until(entry.mesh, () => entry.mesh.models().length === 0);
});

it('SG26: a taken port is told with the next step', async () => {
  const squatter = createServer();
  await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => new Promise((resolve) => squatter.close(resolve)));
  const { port } = squatter.address() as AddressInfo;

  await expect(startTestEntry(port)).rejects.toMatchObject({
    code: 'port_in_use',
    message: expect.stringContaining(`Port ${port} is taken. Stop the other program`),
  });
});

it('SG27: closing frees the port, ends members and open streams, and may be called twice', async () => {
  const entry = await startTestEntry();
  const { mesh } = startPeer(entry.url, { tokens: 100_000, contextTokens: 200_000 });
  await until(entry.mesh, () => entry.mesh.defaultModel() !== undefined);
  const reply = await fetch(`${entry.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [{ role: 'user', content: 'Hi' }], stream: true }),
  });
  const body = reply.text().catch(() => 'cut off');

  await Promise.all([entry.close(), entry.close()]);

  await body;
  await until(mesh, () => mesh.connection().state === 'offline');
  const successor = await startTestEntry(Number(new URL(entry.url).port));
  await until(mesh, () => mesh.connection().state === 'online');
  expect(successor.url).toBe(entry.url);
});

async function startTestEntry(port = 0) {
  const entry = await startEntry({
    host: '127.0.0.1',
    port,
    identity: createIdentity(systemRandom),
    version: 'test',
    logger: silentLogger,
  });
  cleanups.push(() => entry.close());
  return entry;
}

function startPeer(url: string, options: { tokens?: number; contextTokens?: number } = {}) {
  const mesh = createMesh({
    identity: createIdentity(systemRandom),
    kind: 'native',
    version: 'test',
    signaling: [createSocketIoSignaling({ url })],
    transports: [createNodeTransport()],
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  cleanups.push(() => mesh.close());
  const engine = createScriptedEngine({ clock: systemClock, scenario: 'steady', ...options });
  mesh.addEngine(engine);
  return { mesh, engine };
}

function until(mesh: Mesh, holds: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const check = () => {
      if (!holds()) return;
      unsubscribe();
      resolve();
    };
    const unsubscribe = mesh.onChange(check);
    check();
  });
}
