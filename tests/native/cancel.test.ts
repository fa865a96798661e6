/** Whoever goes away frees the slots that were taken for it: real connections to a real entry, real links to its peers. */
import { join } from 'node:path';
import type { Mesh } from '@tabmesh/shared';
import type { Entry } from '@tabmesh/signaling';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { root, runNode } from '../setup/command.ts';
import { startMember, startTestEntry, untilMesh } from '../setup/test-mesh.ts';
import { createHeldEngine, HELD_MODEL, type HeldEngine, MIDWAY, MOVE, PREFILL } from './held-cancel-engine.ts';

type Endpoint = readonly [path: string, body: (question: string) => object];

const messages = (content: string) => ({ messages: [{ role: 'user', content }] });
const ANSWERING: readonly Endpoint[] = [
  ['/v1/chat/completions', messages],
  ['/api/chat', messages],
  ['/v1/completions', (prompt) => ({ prompt })],
  ['/v1/responses', (input) => ({ input, store: false })],
];
const EMBEDDING: Endpoint = ['/v1/embeddings', (input) => ({ input })];

const answering = ANSWERING.flatMap(([path, body]) =>
  [true, false].map((stream) => [path, stream ? 'streamed' : 'whole', { path, body, stream }] as const),
);

let entry: Entry;
let members: Mesh[];

beforeEach(async () => {
  entry = await startTestEntry();
  members = [];
});

afterEach(async () => {
  await Promise.all(members.map((member) => member.close()));
  await entry.close();
});

async function serve(slots: number, breaks = false): Promise<{ member: Mesh; engine: HeldEngine }> {
  const engine = createHeldEngine(slots, breaks);
  const member = startMember(entry.url, engine);
  members.push(member);
  await untilMesh(entry.mesh, () => entry.mesh.models()[0]?.peers.length === members.length);
  return { member, engine };
}

/** A request over a connection of its own. */
function post(path: string, body: object) {
  const controller = new AbortController();
  const reply = fetch(`${entry.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: HELD_MODEL, ...body }),
    signal: controller.signal,
  }).then((response) => response.text());
  const gone = reply.then(
    () => 'answered',
    () => 'gone',
  );
  return {
    /** Closes the connection. */
    async leave(): Promise<void> {
      controller.abort();
      expect(await gone).toBe('gone');
    },
  };
}

const untilActive = (member: Mesh, jobs: number) => untilMesh(member, () => member.serving().activeJobs === jobs);

/** As the peer tells everyone. */
const untilQueued = (jobs: number) =>
  untilMesh(entry.mesh, () =>
    entry.mesh.peers().some(({ announcement }) => announcement.models.some(({ queued }) => queued === jobs)),
  );

describe('a closed connection', () => {
  it.each(ANSWERING)('SG35: of %s frees the slot before and behind the first token', async (path, body) => {
    const { member, engine } = await serve(1);
    for (const stream of [true, false]) {
      for (const question of [PREFILL, MIDWAY]) {
        const request = post(path, { ...body(question), stream });
        await untilActive(member, 1);
        await request.leave();
        await untilActive(member, 0);
        expect(engine.running()).toBe(0);
      }
    }
    expect(engine.requests).toHaveLength(4);
  });

  it.each(ANSWERING)('SG35: of %s that waits in line leaves the line', async (path, body) => {
    const { member, engine } = await serve(1);
    const before = post('/v1/chat/completions', messages(MIDWAY));
    await untilActive(member, 1);
    for (const stream of [true, false]) {
      const request = post(path, { ...body(PREFILL), stream });
      await untilQueued(1);
      await request.leave();
      await untilQueued(0);
      expect(member.serving().activeJobs).toBe(1);
    }
    await before.leave();
    await untilActive(member, 0);
    expect(engine.requests).toHaveLength(1);
  });

  it('SG35: of /v1/embeddings frees the slot, and leaves the line', async () => {
    const [path, body] = EMBEDDING;
    const { member, engine } = await serve(1);
    const first = post(path, body(PREFILL));
    await untilActive(member, 1);
    const second = post(path, body(PREFILL));
    await untilQueued(1);
    await second.leave();
    await first.leave();
    await untilActive(member, 0);
    expect(engine.running()).toBe(0);
  });

  it.each(some('/v1/chat/completions', '/v1/completions'))(
    'SG35: of %s (%s) frees the slots of all its choices, running and waiting',
    async (_path, _how, ask) => {
      const { member, engine } = await serve(2);
      const request = post(ask.path, { ...ask.body(MIDWAY), stream: ask.stream, n: 3 });
      await untilActive(member, 2);
      await untilQueued(1);
      await request.leave();
      await untilActive(member, 0);
      expect(engine.running()).toBe(0);
    },
  );

  it.each(some('/v1/chat/completions'))(
    'SG35: of %s (%s) frees both peers that race for it',
    async (_path, _how, ask) => {
      const peers = [await serve(1), await serve(1)];
      const request = post(ask.path, { ...ask.body(PREFILL), stream: ask.stream });
      for (const { member } of peers) await untilActive(member, 1);
      await request.leave();
      for (const { member, engine } of peers) {
        await untilActive(member, 0);
        expect(engine.running()).toBe(0);
      }
    },
  );

  it.each(some('/v1/chat/completions', '/v1/responses'))(
    'SG35: of %s (%s) frees the peer that is to go on with it',
    async (_path, _how, ask) => {
      const broken = await serve(1, true);
      const request = post(ask.path, { ...ask.body(MOVE), stream: ask.stream });
      const next = await serve(1);
      await untilActive(next.member, 1);
      await request.leave();
      for (const { member, engine } of [broken, next]) {
        await untilActive(member, 0);
        expect(engine.running()).toBe(0);
      }
    },
  );
});

describe('a peer that asked', () => {
  it.each<[string, NodeJS.Signals, string]>([
    ['is killed before the first token', 'SIGKILL', PREFILL],
    ['is killed behind the first token', 'SIGKILL', MIDWAY],
    // Its connections stay open; only its heartbeat is missing.
    ['stops without a word', 'SIGSTOP', MIDWAY],
  ])('ME11: and %s frees the slot', async (_what, signal, question) => {
    const { member, engine } = await serve(1);
    await using asker = askingProcess(question);
    await asker.line(/^Asking/);
    await untilActive(member, 1);
    if (question === MIDWAY) await asker.line(/^Heard Well/);
    asker.process.kill(signal);
    await untilActive(member, 0);
    expect(engine.running()).toBe(0);
  });
});

/** A member of its own that asks one question and reads the answer. */
function askingProcess(question: string) {
  return runNode(['--import', 'tsx', join(root, 'tests/native/cancel-asking-process.ts'), entry.url, question]);
}

/** Streamed and whole. */
function some(...paths: readonly string[]) {
  return answering.filter(([path]) => paths.includes(path));
}
