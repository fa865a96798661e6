/** Whoever asks and does not read: what is made for it stays bounded, its slot comes back, and nobody else is harmed. */
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Mesh } from '@tabmesh/shared';
import type { Entry } from '@tabmesh/signaling';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { root, runNode } from '../setup/command.ts';
import { startMember, startTestEntry, untilMesh } from '../setup/test-mesh.ts';
import {
  createFloodingEngine,
  FLOOD_TOKENS,
  FLOODING_MODEL,
  type FloodingEngine,
  TOKEN,
} from './flooding-back-pressure-engine.ts';

const FLOOD = 'Flood!';
const messages = (content: string) => ({ messages: [{ role: 'user', content }] });
const STREAMING: readonly [path: string, body: object][] = [
  ['/v1/chat/completions', messages(FLOOD)],
  ['/api/chat', messages(FLOOD)],
  ['/v1/completions', { prompt: FLOOD, max_tokens: FLOOD_TOKENS }],
  ['/v1/responses', { input: FLOOD, store: false }],
];
/** What buffers on the way may hold: of the engine's link, of the reader, of the socket. A flood is ten times as much. */
const MOST_TOKENS = FLOOD_TOKENS / 10;

let entry: Entry;
let cleanups: (() => unknown)[];

beforeEach(async () => {
  entry = await startTestEntry();
  cleanups = [() => entry.close()];
});

afterEach(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

async function serve(engine: FloodingEngine): Promise<Mesh> {
  const member = startMember(entry.url, engine);
  cleanups.push(() => member.close());
  await untilMesh(entry.mesh, () => entry.mesh.models().length === 1);
  return member;
}

/** Sends a request over a socket that is never read. */
function postUnread(path: string, body: object): Socket {
  const { hostname, port } = new URL(entry.url);
  const text = JSON.stringify({ model: FLOODING_MODEL, stream: true, ...body });
  const socket = connect(Number(port), hostname);
  socket.pause();
  socket.on('error', () => {});
  socket.write(
    `POST ${path} HTTP/1.1\r\nhost: ${hostname}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
  cleanups.push(() => socket.destroy());
  return socket;
}

async function answered(): Promise<string> {
  const reply = await fetch(`${entry.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(messages('Hi')),
  });
  return (await reply.json()).choices[0].message.content;
}

describe('a client of the API that does not read', () => {
  it.each(STREAMING)('AP33: of %s is given up by its peer, and others are answered meanwhile', async (path, body) => {
    const engine = createFloodingEngine();
    const member = await serve(engine);
    postUnread(path, body);
    await untilMesh(member, () => member.serving().activeJobs === 1);
    expect(await answered()).toBe(TOKEN);
    // The client stays, and does not read.
    await untilMesh(member, () => member.serving().activeJobs === 0);
    expect(engine.running()).toBe(0);
    expect(engine.tokens()).toBeLessThan(MOST_TOKENS);
    expect(await answered()).toBe(TOKEN);
  });
});

describe('a peer that does not read what it asked for', () => {
  it('PR34: holds the engine back, and loses its slot', async () => {
    let flood = () => {};
    const engine = createFloodingEngine(
      new Promise((resolve) => {
        flood = resolve;
      }),
    );
    const member = await serve(engine);
    await using asker = runNode([
      '--import',
      'tsx',
      join(root, 'tests/native/cancel-asking-process.ts'),
      entry.url,
      FLOOD,
      FLOODING_MODEL,
    ]);
    await asker.line(/^Heard/);
    asker.process.kill('SIGSTOP');
    flood();
    await untilMesh(member, () => member.serving().activeJobs === 0);
    expect(engine.tokens()).toBeLessThan(MOST_TOKENS);
    expect(await answered()).toBe(TOKEN);
  });
});
