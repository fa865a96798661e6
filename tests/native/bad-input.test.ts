/** What clients may send to the API, and what a model may say, on the way to and from a real model and real peers. */
import { join } from 'node:path';
import type { Engine, Mesh } from '@tabmesh/shared';
import type { Entry } from '@tabmesh/signaling';
import { loadLlamaEngine } from 'tabmesh';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../setup/command.ts';
import { startMember, startTestEntry, untilMesh } from '../setup/test-mesh.ts';

type Schema = Readonly<Record<string, unknown>>;

let entry: Entry;
let engine: Engine;
let member: Mesh;
let undisturbed: string;

beforeAll(async () => {
  entry = await startTestEntry();
  engine = await loadLlamaEngine({
    file: join(root, 'shared/models/mesh-tiny.gguf'),
    slots: 2,
    threads: 1,
    gpu: 'off',
  });
  member = startMember(entry.url, engine);
  await untilMesh(entry.mesh, () => entry.mesh.models().length === 1);
  undisturbed = await greeting();
});

afterAll(async () => {
  await member?.close();
  await engine?.close();
  await entry?.close();
});

async function post(path: string, body: object | string) {
  const reply = await fetch(`${entry.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: reply.status, body: await reply.json() };
}

async function greeting(): Promise<string> {
  const { body } = await post('/v1/chat/completions', { ...hello, temperature: 0 });
  return body.choices[0].message.content;
}

const hello = { messages: [{ role: 'user', content: 'Hello' }] };

/** How a schema reaches a model. */
const WAYS: readonly [string, (schema: Schema) => readonly [path: string, body: object]][] = [
  [
    'response_format',
    (schema) => [
      '/v1/chat/completions',
      { ...hello, response_format: { type: 'json_schema', json_schema: { name: 'a', schema } } },
    ],
  ],
  [
    'text.format',
    (schema) => [
      '/v1/responses',
      { input: 'Hello', store: false, text: { format: { type: 'json_schema', name: 'a', schema } } },
    ],
  ],
  [
    'a tool that must be called',
    (schema) => [
      '/v1/chat/completions',
      {
        ...hello,
        tool_choice: 'required',
        tools: [{ type: 'function', function: { name: 'f', parameters: { properties: { a: schema } } } }],
      },
    ],
  ],
];

const nested = (levels: number): Schema =>
  levels === 0 ? { type: 'null' } : { type: 'array', items: nested(levels - 1) };
const names = (count: number) => Array.from({ length: count }, (_, index) => `p${index}`);

const HOSTILE: readonly [string, Schema][] = [
  ['invalid', { type: 'object', properties: { a: { type: 'wizard' } } }],
  ['no schema at all', { type: 'object', properties: { a: 7 } }],
  ['nothing but itself', { allOf: [{ $ref: '#/$defs/a' }], $defs: { a: { $ref: '#/$defs/a' } } }],
  ['1,000 levels deep', nested(1_000)],
  ['of 900 KB', { type: 'object', description: 'x'.repeat(900_000) }],
  [
    'of 10,000 properties',
    { type: 'object', properties: Object.fromEntries(names(10_000).map((name) => [name, { type: 'string' }])) },
  ],
  ['of a list of 50,000 values', { enum: names(50_000) }],
  ['of a million repetitions', { type: 'string', minLength: 1_000_000 }],
  ['with a pattern of a million states', { type: 'string', pattern: '^(a{1000}){1000}$' }],
  [
    'with a pattern in a name that refers back',
    { type: 'object', patternProperties: { '(a)\\1': { type: 'string' } } },
  ],
];

describe('a JSON schema', () => {
  describe.each(WAYS)('in %s', (_way, asking) => {
    it.each(HOSTILE)('AP29: that is %s is refused by a sentence, and the peer answers on', async (_what, schema) => {
      const reply = await post(...asking(schema));
      expect(reply).toMatchObject({ status: 400, body: { error: { code: 'invalid_request' } } });
      expect(reply.body.error.message).toMatch(/^[^\n]{10,500}\.$/);
      expect(await greeting()).toBe(undisturbed);
    });
  });

  it('AP29: that doubles with every reference is followed', async () => {
    const doubled = names(19).map((name, index) => {
      const next = { $ref: `#/$defs/p${index + 1}` };
      return [name, index === 18 ? { type: 'null' } : { anyOf: [next, next] }];
    });
    for (const [way, asking] of WAYS.slice(0, 2)) {
      const reply = await post(...asking({ $ref: '#/$defs/p0', $defs: Object.fromEntries(doubled) }));
      expect(reply, way).toMatchObject({ status: 200 });
    }
    expect(await greeting()).toBe(undisturbed);
  });
});

describe('a prompt', () => {
  const breaks = '\n'.repeat(480_000);
  const letters = Array.from({ length: 10_000 }, (_, index) => ({
    role: index % 2 === 0 ? 'user' : 'assistant',
    content: 'a',
  }));

  it.each<[string, string, object]>([
    ['of 480,000 line breaks', '/v1/chat/completions', { messages: [{ role: 'user', content: `a${breaks}b` }] }],
    ['of 480,000 line breaks to complete', '/v1/completions', { prompt: breaks }],
    ['of 480,000 line breaks to embed', '/v1/embeddings', { input: breaks }],
    ['of 10,000 messages', '/v1/chat/completions', { messages: letters }],
  ])('NP82: %s is refused unread by the peer, which answers on', async (_what, path, body) => {
    const { model } = (await post('/v1/chat/completions', hello)).body;
    const reply = await post(path, { model, ...body });
    expect(reply).toMatchObject({ status: 400, body: { error: { code: 'context_length_exceeded' } } });
    expect(reply.body.error.message).toMatch(/at least \d+ tokens/);
    expect(await greeting()).toBe(undisturbed);
  });
});
