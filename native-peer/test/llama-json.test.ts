/** Answers that are JSON, enforced by grammars: what follows which schema, and what no grammar holds. */
import { type Engine, type GenerationRequest, MeshError } from '@tabmesh/shared';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answer, ask } from '../../shared/src/testing/engine-subject.ts';
import { loadLlamaEngine } from '../src/llama/load-llama-engine.ts';
import { TINY } from './embedded-models.ts';

type Schema = Readonly<Record<string, unknown>>;

let engine: Engine;
beforeAll(async () => {
  engine = await loadLlamaEngine({ file: TINY, slots: 1, threads: 1, gpu: 'off' });
});
afterAll(() => engine.close());

const word = { type: 'string', minLength: 1, maxLength: 8 };
const tags = { type: 'array', items: { enum: ['a', 'b'] }, minItems: 1, maxItems: 2 };

const names = (count: number) => Array.from({ length: count }, (_, index) => `p${index}`);

describe('JSON by a schema', () => {
  it.each<[string, Schema, (value: never) => boolean]>([
    ['a boolean', { type: 'boolean' }, (value) => typeof value === 'boolean'],
    ['null', { type: 'null' }, (value) => value === null],
    [
      'a constant',
      { const: 'He said "mesh",\n\\ and left 🧭' },
      (value) => value === 'He said "mesh",\n\\ and left 🧭',
    ],
    ['one of several types', { enum: [1, 'one', null, false] }, (value) => [1, 'one', null, false].includes(value)],
    ['a short text', word, (value: string) => Array.from(value).length >= 1 && Array.from(value).length <= 8],
    [
      'one of 1,800 texts',
      { enum: Array.from({ length: 1_800 }, (_, index) => `${index % 7}-${index}`) },
      (value: string) => /^\d-\d{1,4}$/.test(value) && Number(value.slice(2)) % 7 === Number(value.charAt(0)),
    ],
    [
      'one of texts that begin alike',
      { enum: ['a', 'ab', 'abc', 'b', '🧭', '🧮', 1, 12, 123] },
      (value) => ['a', 'ab', 'abc', 'b', '🧭', '🧮', 1, 12, 123].includes(value),
    ],
    ['a small integer', { type: 'integer', minimum: -3, maximum: 12 }, (value) => isIntegerWithin(value, -3, 12)],
    [
      'a large integer',
      { type: 'integer', exclusiveMinimum: 99, maximum: 1_234 },
      (value) => isIntegerWithin(value, 100, 1_234),
    ],
    ['any integer', { type: 'integer' }, (value) => Number.isSafeInteger(value)],
    ['a share', { type: 'number', minimum: 0, maximum: 1 }, (value) => value >= 0 && value <= 1],
    ['a number', { type: 'number', exclusiveMaximum: 0 }, (value) => value < 0],
    ['a date', { type: 'string', format: 'date-time' }, (value) => !Number.isNaN(Date.parse(value))],
    [
      'a list',
      tags,
      (value: string[]) => value.length >= 1 && value.length <= 2 && value.every((one) => 'ab'.includes(one)),
    ],
    ['a pair', { prefixItems: [{ const: 1 }, { const: 2 }], items: false }, (value) => `${value}` === '1,2'],
    [
      'an alternative',
      { anyOf: [{ const: 7 }, { type: 'boolean' }] },
      (value) => value === 7 || typeof value === 'boolean',
    ],
    ['a reference', { $ref: '#/$defs/yes', $defs: { yes: { const: 'yes' } } }, (value) => value === 'yes'],
    ['a definition that is used 4⁹ times', quadrupling(9), (value) => typeof value === 'string'],
    ['null or a boolean', { type: ['boolean', 'null'] }, (value) => value === null || typeof value === 'boolean'],
    [
      'an object with parts that may be left out',
      { properties: { first: { const: 1 }, second: { const: 2 }, third: { const: 3 } }, required: ['second'] },
      (value: Schema) =>
        value.second === 2 && [1, undefined].includes(value.first as 1) && Object.keys(value).length <= 3,
    ],
    [
      'an object in an object',
      {
        type: 'object',
        propertyNames: { type: 'string' },
        properties: { who: { type: 'object', properties: { name: word }, required: ['name'] }, tags },
        required: ['who', 'tags'],
      },
      (value: { who: { name: string }; tags: string[] }) => typeof value.who.name === 'string' && value.tags.length > 0,
    ],
    [
      'names that would end a text',
      { properties: { 'a"] \\ ::= \n"é🧭': { const: 1 } }, required: ['a"] \\ ::= \n"é🧭'] },
      (value: Schema) => value['a"] \\ ::= \n"é🧭'] === 1,
    ],
  ])('NP60: is %s at every temperature', async (_, schema, follows: (value: never) => boolean) => {
    for (const [temperature, seed] of [
      [0, 0],
      [1, 1],
      [1, 2],
      [2, 3],
    ] as const) {
      const { text, reason } = await answer(engine, asJson(schema, { temperature, seed, maxTokens: 300 }));
      expect(reason, text).toBe('stop');
      expect(follows(JSON.parse(text) as never), text).toBe(true);
    }
  });

  it('NP61: is cut by maxTokens like every answer', async () => {
    const { text, reason, counted } = await answer(
      engine,
      asJson({ type: 'string', minLength: 100 }, { maxTokens: 7 }),
    );
    expect(reason).toBe('length');
    expect(counted).toBe(7);
    expect(text).toMatch(/^"/);
  });

  it.each<[string, Schema, RegExp]>([
    ['an unknown type', { type: 'spaceship' }, /unknown type "spaceship"/],
    [
      'a pattern that refers back',
      { properties: { code: { type: 'string', pattern: '(a)\\1' } } },
      /'code' .* has a 'pattern' that refers back/,
    ],
    ['a pattern of a million states', { type: 'string', pattern: '^(a{1000}){1000}$' }, /too many states/],
    ['a schema that is nothing but itself', { $ref: '#' }, /refers to itself with nothing between/],
    [
      'a schema without an end',
      { type: 'object', properties: { next: { $ref: '#' } }, required: ['next'] },
      /describes no value that ever ends/,
    ],
    ['a reference to nowhere', { $ref: '#/$defs/x' }, /'\$ref' .* points to nothing/],
    ['a reference outside', { $ref: 'https://example.org/x' }, /must point into the schema itself/],
    ['an empty range', { type: 'integer', minimum: 3, maximum: 2 }, /leaves no integer between its bounds/],
    ['impossible lengths', { type: 'string', minLength: 9, maxLength: 2 }, /'minLength' above its 'maxLength'/],
    ['endless lists', { type: 'array', minItems: 1e9 }, /more than 2000 of something/],
    [
      'many long texts',
      { anyOf: Array.from({ length: 30 }, (_, index) => ({ type: 'string', maxLength: 1900 + index })) },
      /20000 repetitions/,
    ],
    ['nothing allowed', { properties: { a: false }, required: ['a'] }, /'a' .* is required by one part and forbidden/],
    ['a contradiction', { allOf: [{ type: 'string' }, { type: 'number' }] }, /allows no value/],
    ['values that are none', { const: 1, enum: [2] }, /allows no value/],
    [
      'too many alternatives of alternatives',
      {
        allOf: Array.from({ length: 4 }, (_, at) => ({
          anyOf: names(6).map((name) => ({ required: [`${name}${at}`] })),
        })),
      },
      /combines its alternatives into more than/,
    ],
    ['a long schema', { enum: ['x'.repeat(70_000)] }, /is longer than 64 KB/],
    ['many parts', { enum: Array.from({ length: 3_000 }, (_, index) => index) }, /more than 2000 parts/],
    ['deep nesting', JSON.parse(`${'{"items":'.repeat(60)}{}${'}'.repeat(60)}`), /nested more than 20 levels/],
    ['bottomless nesting', JSON.parse(`${'{"items":'.repeat(90_000)}{}${'}'.repeat(90_000)}`), /too deep|64 KB/],
    ['keywords of a wrong kind', { type: 'object', required: 'all' }, /'required' .* must be a list of names/],
  ])('NP62: with %s is an invalid_request that says so', async (_, schema, sentence) => {
    const refused = await answer(engine, asJson(schema)).catch((error: unknown) => error);
    if (!MeshError.is(refused, 'invalid_request')) throw refused;
    expect(refused.message).toMatch(sentence);
    expect(refused.message.length).toBeLessThan(400);
    expect(refused.details).toEqual({ param: 'response_format' });
  });

  it('NP88: with more choices at one place than its vocabulary allows is an invalid_request that says how many', async () => {
    const optional = (count: number) => ({
      type: 'object',
      properties: Object.fromEntries(Array.from({ length: count }, (_, index) => [`p${index}`, { type: 'boolean' }])),
    });
    const anyOf = Array.from({ length: 10 }, (_, index) => optional(180 + index));
    for (const schema of [optional(1_700), { anyOf }]) {
      await expect(answer(engine, asJson(schema))).rejects.toMatchObject({
        code: 'invalid_request',
        message: expect.stringMatching(/1\d{3} choices at one place, of which this model follows 1627 at most/),
        details: { param: 'response_format' },
      });
    }
    expect((await answer(engine, asJson(optional(60), { maxTokens: 8 }))).counted).toBeGreaterThan(0);
  });

  it('NP63: refuses the beginning of an answer that does not follow its schema', async () => {
    const continues = { text: 'Once upon', tokenCount: 2 };
    await expect(answer(engine, asJson({ type: 'boolean' }, { continues }))).rejects.toMatchObject({
      code: 'invalid_request',
    });
    expect((await answer(engine, ask('Hello', { maxTokens: 4 }))).counted).toBe(4);
  });

  it('NP64: comes with probabilities among what the grammar lets through', async () => {
    for (const temperature of [0, 1]) {
      const request = asJson({ enum: ['yes', 'no'] }, { topLogprobs: 3, temperature, seed: 1 });
      const { text, logprobs, usage } = await answer(engine, request);
      expect(['"yes"', '"no"']).toContain(text);
      expect(logprobs).toHaveLength(usage.completionTokens);
      expect(logprobs.map(({ token }) => token).join('')).toBe(text);
      for (const { top, logprob } of logprobs) {
        expect(logprob).toBeGreaterThan(-9999);
        expect(top.every(({ token }) => '"yes""no"'.includes(token))).toBe(true);
      }
    }
  });
});

function asJson(schema: Schema, sampling: Partial<GenerationRequest> = {}): GenerationRequest {
  return ask('What is a mesh?', { responseFormat: { type: 'json_schema', schema }, ...sampling });
}

function isIntegerWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

/** Each definition uses the next one four times. */
function quadrupling(levels: number): Schema {
  const definitions = Array.from({ length: levels }, (_, index) => {
    const next = index + 1 === levels ? word : { $ref: `#/$defs/d${index + 1}` };
    return [`d${index}`, { anyOf: [next, next, next, next] }];
  });
  return { $ref: '#/$defs/d0', $defs: Object.fromEntries(definitions) };
}
