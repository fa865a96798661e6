/** A mesh whose slots and lines are all taken: who comes is told when to come back, and gets through then. */
import type { Mesh } from '@tabmesh/shared';
import type { Entry } from '@tabmesh/signaling';
import OpenAI from 'openai';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startMember, startTestEntry, untilMesh } from '../setup/test-mesh.ts';
import { createHeldEngine, HELD_MODEL, PREFILL } from './held-cancel-engine.ts';

const messages = (content: string) => ({ messages: [{ role: 'user' as const, content }] });
const ENDPOINTS: readonly [path: string, body: object][] = [
  ['/v1/chat/completions', messages('Hi')],
  ['/v1/chat/completions', { ...messages('Hi'), stream: true }],
  ['/v1/chat/completions', { ...messages('Hi'), n: 2 }],
  ['/api/chat', messages('Hi')],
  ['/api/chat', { ...messages('Hi'), stream: true }],
  ['/v1/completions', { prompt: 'Hi' }],
  ['/v1/completions', { prompt: ['Hi', 'Ho'], stream: true }],
  ['/v1/responses', { input: 'Hi', store: false }],
  ['/v1/responses', { input: 'Hi', store: false, stream: true }],
  ['/v1/embeddings', { input: 'Hi' }],
];

let entry: Entry;
let members: Mesh[];
let leaving: AbortController;

beforeEach(async () => {
  entry = await startTestEntry();
  members = [0, 1].map(() => startMember(entry.url, createHeldEngine(1)));
  leaving = new AbortController();
  await untilMesh(entry.mesh, () => entry.mesh.models()[0]?.peers.length === members.length);
  // Short answers before make the waits that peers estimate short.
  for (let turn = 0; turn < 4; turn += 1) expect((await post('/v1/completions', { prompt: 'Hi' })).status).toBe(200);
});

afterEach(async () => {
  leaving.abort();
  await Promise.all(members.map((member) => member.close()));
  await entry.close();
});

function post(path: string, body: object, signal: AbortSignal | null = null): Promise<Response> {
  return fetch(`${entry.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: HELD_MODEL, ...body }),
    signal,
  });
}

/** Asks for answers that take for ever until one more is refused. */
async function fill(): Promise<void> {
  for (;;) {
    const refused = post('/v1/chat/completions', messages(PREFILL), leaving.signal).then(
      ({ status }) => status,
      () => undefined,
    );
    const before = waiting();
    const joined = untilMesh(entry.mesh, () => waiting() > before).then(() => 'joined');
    if ((await Promise.race([refused, joined])) === 429) return;
  }
}

/** Jobs that the peers say they run or keep in line. */
function waiting(): number {
  return entry.mesh
    .peers()
    .flatMap(({ announcement }) => announcement.models)
    .reduce((sum, { inFlight, queued }) => sum + inFlight + queued, 0);
}

/** All that asked before leave. */
async function empty(): Promise<void> {
  leaving.abort();
  for (const member of members) await untilMesh(member, () => member.serving().activeJobs === 0);
}

describe('a mesh that is full', () => {
  it('AP32: says so at every endpoint, with the seconds after which to come back, and answers once it is not', async () => {
    await fill();
    for (const [path, body] of ENDPOINTS) {
      const reply = await post(path, body);
      const what = `${path} ${JSON.stringify(body)}`;
      expect(reply.status, what).toBe(429);
      expect(reply.headers.get('retry-after'), what).toMatch(/^[1-9]\d*$/);
      expect(await reply.json(), what).toMatchObject({ error: { code: 'mesh_busy', type: 'rate_limit_error' } });
    }
    await empty();
    for (const [path, body] of ENDPOINTS) {
      const reply = await post(path, body);
      expect(reply.status, path).toBe(200);
      await reply.text();
    }
  });

  it('AP32: is waited for by OpenAI’s own client as it is told to', async () => {
    await fill();
    const seen: number[] = [];
    const client = new OpenAI({
      baseURL: `${entry.url}/v1`,
      apiKey: 'none',
      maxRetries: 3,
      async fetch(input, init) {
        const reply = await fetch(input, init);
        seen.push(reply.status);
        if (reply.status === 429) await empty();
        return reply;
      },
    });
    const { choices } = await client.chat.completions.create({ model: HELD_MODEL, ...messages('Hi') });
    expect(choices[0]?.message.content).toBe('Well');
    expect(seen).toEqual([429, 200]);
  });
});
