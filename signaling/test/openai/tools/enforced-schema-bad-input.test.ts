/** Schemas that would cost much: refused, or held to a bound, before the work is done. */
import { MeshError } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { enforcedSchema } from '../../../src/openai/tools/enforced-schema.ts';

/** So many places refer to one definition. */
const repeated = (definition: object) => ({
  anyOf: Array.from({ length: 900 }, () => ({ $ref: '#/$defs/a' })),
  $defs: { a: definition },
});
const many = <Value>(value: Value) => Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`p${at}`, value]));
const pattern = (source: string) => ({ type: 'string', pattern: source });

/** Of the processor, because others work on it, too. */
function costMs(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

function outcomeOf(schema: object): string {
  try {
    enforcedSchema({ ...schema }, 'schema');
    return 'taken';
  } catch (error) {
    if (!MeshError.is(error, 'invalid_request')) throw error;
    expect(error.message).toMatch(/^[^\n]{10,500}\.$/);
    return 'refused';
  }
}

const COSTLY: readonly [string, object, 'taken' | 'refused'][] = [
  ['a pattern that blows up elsewhere', pattern('^(a+)+$'), 'taken'],
  ['another one', pattern('^(a|a)*$'), 'taken'],
  ['a million repetitions', pattern('^(a{1000}){1000}$'), 'refused'],
  ['two to the twentieth states', pattern('^(a|b)*a(a|b){20}$'), 'refused'],
  ['a thousand groups', pattern(`${'('.repeat(1_000)}a${')'.repeat(1_000)}`), 'refused'],
  ['lookaheads behind each other', pattern(`${'(?!a)'.repeat(500)}b`), 'taken'],
  ['counted lookaheads', pattern('^(?=.{1,1999}$)([a-z]{1,700}\\.)*$'), 'taken'],
  ['a thousand beginnings', pattern('^'.repeat(1_000)), 'refused'],
  ['loops in loops', pattern('^((((((a?b?c?)*)*)*)*)*)*$'), 'taken'],
  ['optional parts', pattern('(a?b?)'.repeat(450)), 'taken'],
  [
    'many large patterns',
    { anyOf: Array.from({ length: 60 }, (_, at) => pattern(`^(a|b)*a(a|b){12}${'c'.repeat(at)}$`)) },
    'refused',
  ],
  [
    'properties of Unicode',
    { anyOf: ['L', 'Lu', 'Ll', 'N', 'P', 'S', 'M', 'Z'].map((name) => pattern(`^\\p{${name}}+\\P{${name}}$`)) },
    'taken',
  ],
  [
    'alternatives of alternatives',
    { allOf: Array.from({ length: 12 }, (_, at) => ({ anyOf: [{ required: [`a${at}`] }, { required: [`b${at}`] }] })) },
    'refused',
  ],
  [
    'many long texts',
    { anyOf: Array.from({ length: 30 }, (_, at) => ({ ...pattern('^.*$'), maxLength: 1_900 + at })) },
    'refused',
  ],
  [
    'definitions that double',
    {
      $ref: '#/$defs/d0',
      $defs: Object.fromEntries(
        Array.from({ length: 400 }, (_, at) => {
          const next = { $ref: `#/$defs/d${at + 1}` };
          return [
            `d${at}`,
            at === 399 ? { type: 'null' } : { items: { anyOf: [next, { type: 'array', items: next }] } },
          ];
        }),
      ),
    },
    'taken',
  ],
];

describe('a JSON schema', () => {
  it.each(COSTLY)('AP29: of %s costs the entry little', (_what, schema, expected) => {
    let outcome = '';
    expect(costMs(() => (outcome = outcomeOf(schema)))).toBeLessThan(1_000);
    expect(outcome).toBe(expected);
  });

  it.each<[string, object]>([
    ['properties', { properties: many(true) }],
    ['patterns', { patternProperties: many(false) }],
    ['a long text', { description: 'x'.repeat(900_000) }],
    ['a long list', { enum: Array.from({ length: 50_000 }, (_, at) => at) }],
    ['long names', { required: Array.from({ length: 10_000 }, (_, at) => `property ${at}`) }],
  ])('AP29: of many %s is refused by a sentence', (_what, definition) => {
    expect(outcomeOf(repeated(definition))).toBe('refused');
  });

  it('AP29: with a definition in 900 places is read once', () => {
    let looks = 0;
    const definition = new Proxy(
      { type: 'string' },
      {
        ownKeys(target) {
          looks += 1;
          return Reflect.ownKeys(target);
        },
      },
    );
    expect(outcomeOf(repeated(definition))).toBe('taken');
    expect(looks).toBeLessThan(10);
  });
});
