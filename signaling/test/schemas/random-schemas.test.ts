/** Schemas that nobody would write, held against ajv: what a grammar writes, what it lets through, what the check finds. */
import { MeshError } from '@tabmesh/shared';
import { grammarOfSchema, readSchema, violationOf } from '@tabmesh/shared/json-grammar';
import { createSeededRandom, propertySeed } from '@tabmesh/shared/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GbnfMachine } from '../../../shared/src/testing/gbnf-machine.ts';
import { validatorOf } from './validators.ts';

type Schema = Readonly<Record<string, unknown>>;

const count = fc.integer({ min: 0, max: 3 });
const number = fc.oneof(fc.integer({ min: -120, max: 120 }), fc.constantFrom(0.5, -0.25, 1.75, 99.99, 1e-3));
const name = fc.constantFrom('a', 'b', 'x-1', 'x-2', 'é"');
const pattern = fc.constantFrom('^[a-c]+$', '^x-', '\\d', '^.{2,3}$', '^(?!b)', '(a|b){2}', '^$');
const format = fc.constantFrom(
  'date',
  'date-time',
  'uuid',
  'email',
  'ipv4',
  'ipv6',
  'uri',
  'time',
  'hostname',
  'nonsense',
);
const json = fc.constantFrom<unknown>(1, 'a', 'x-1', null, true, [1], { a: 1 }, -2.5, '');
const few = <Value>(value: fc.Arbitrary<Value>) => fc.array(value, { minLength: 1, maxLength: 3 });
const some = (model: Record<string, fc.Arbitrary<unknown>>) => fc.record(model, { requiredKeys: [] });

const { schema } = fc.letrec((tie) => {
  const inner = tie('schema');
  return {
    string: some({ minLength: count, maxLength: fc.integer({ min: 2, max: 12 }), pattern, format }).map((one) => ({
      ...one,
      type: 'string',
    })),
    number: some({
      minimum: number,
      maximum: number,
      exclusiveMinimum: number,
      exclusiveMaximum: number,
      multipleOf: fc.constantFrom(1, 2, 7, 0.5, 0.01, 30),
    }).chain((one) => fc.constantFrom('number', 'integer').map((type) => ({ ...one, type }))),
    array: some({
      items: inner,
      prefixItems: few(inner),
      minItems: count,
      maxItems: count,
      uniqueItems: fc.boolean(),
      contains: inner,
    }).map((one) => ({ ...one, type: 'array' })),
    object: some({
      properties: fc.dictionary(name, inner, { maxKeys: 3 }),
      required: fc.uniqueArray(name, { maxLength: 2 }),
      additionalProperties: fc.oneof(fc.boolean(), inner),
      patternProperties: fc.dictionary(fc.constantFrom('^x-', '^[ab]$'), inner, { maxKeys: 2 }),
      propertyNames: fc.oneof(fc.record({ pattern }), fc.record({ enum: few(name) })),
      minProperties: count,
      maxProperties: count,
    }).map((one) => ({ ...one, type: 'object' })),
    combined: fc.oneof(
      fc.record({ anyOf: few(inner) }),
      fc.record({ oneOf: few(inner) }),
      fc.record({ allOf: few(inner) }),
      fc.record({ allOf: few(inner), anyOf: few(inner) }),
      fc.record({ not: inner, type: fc.constantFrom('string', 'integer', 'boolean') }),
      fc
        .tuple(inner, inner, inner)
        .map((parts) => Object.fromEntries(['if', 'then', 'else'].map((word, at) => [word, parts[at]]))),
      fc.record({ $ref: fc.constantFrom('#', '#/$defs/one', '#/$defs/a%20b') }),
    ),
    plain: fc.oneof(
      fc.record({ const: json }),
      fc.record({ enum: few(json) }),
      fc.record({ type: fc.constantFrom('boolean', 'null') }),
      fc.record({ type: fc.constant(['string', 'null', 'integer']) }),
      fc.constantFrom<unknown>(true, false, {}),
    ),
    schema: fc.oneof(
      { maxDepth: 3 },
      tie('plain'),
      tie('string'),
      tie('number'),
      tie('array'),
      tie('object'),
      tie('combined'),
    ),
  };
});
const roots = fc
  .tuple(schema, schema, schema)
  .filter(([root]) => typeof root === 'object' && root !== null)
  .map(
    ([root, one, other]): Schema => JSON.parse(JSON.stringify({ ...(root as Schema), $defs: { one, 'a b': other } })),
  );

/** What no grammar counts or excludes; everything else it must hold. */
const CHECKED_LATER = new Set(['uniqueItems', 'contains', 'oneOf', 'not', 'minProperties', 'if']);

function grammarOf(one: Schema): string | undefined {
  try {
    return grammarOfSchema(one);
  } catch (error) {
    if (!MeshError.is(error, 'invalid_request')) throw error;
    expect(error.message).toMatch(/^[^\n]{10,500}\.$/);
    return undefined;
  }
}

describe('a schema of any kind', () => {
  it('JS1: is followed by all that its grammar writes, but for what the check then finds, as ajv does', () => {
    const { float } = createSeededRandom(3);
    let written = 0;
    fc.assert(
      fc.property(roots, (root) => {
        const grammar = grammarOf(root);
        const validate = validatorIn(root);
        if (grammar === undefined || validate === undefined) return;
        const machine = new GbnfMachine(grammar);
        const read = readSchema(root);
        const mayLeak = [...CHECKED_LATER].some((keyword) => JSON.stringify(root).includes(`"${keyword}"`));
        for (let times = 0; times < 4; times += 1) {
          const text = machine.write(float, 12);
          const value: unknown = JSON.parse(text);
          const isValid = validate(value);
          if (isValid === undefined) return;
          if (!mayLeak) expect([text, isValid]).toEqual([text, true]);
          if (!knowsLess(root))
            expect([text, violationOf(read, value)?.keyword]).toEqual([text, isValid ? undefined : expect.anything()]);
          written += 1;
        }
      }),
      { numRuns: 1_500, seed: propertySeed(1_837_838_291) },
    );
    expect(written).toBeGreaterThan(1_000);
  });

  it('JS2: lets its own values through, as they are usually written', () => {
    const { float } = createSeededRandom(5);
    fc.assert(
      fc.property(roots, (root) => {
        const grammar = grammarOf(root);
        if (grammar === undefined) return;
        const machine = new GbnfMachine(grammar);
        for (let times = 0; times < 3; times += 1) {
          const text = machine.write(float, 8);
          if (text.length < 200) expect([text, machine.follows(text)]).toEqual([text, true]);
        }
      }),
      { numRuns: 300, seed: propertySeed(13) },
    );
  });

  it.each<[string, Schema, readonly unknown[], readonly unknown[]]>([
    ['strings of a pattern', { type: 'string', pattern: '^[A-Z]{2}-\\d{3}$' }, ['AB-123'], ['AB-12', 'ab-123', 1]],
    ['bounded numbers', { type: 'number', minimum: 0.5, maximum: 10 }, [0.5, 0.75, 9.999, 10], [0.49, 10.01, 11, -1]],
    ['steps', { type: 'number', multipleOf: 0.01 }, [0.07, 12.3, -5], [0.001]],
    ['tens', { type: 'integer', multipleOf: 1_000 }, [0, 1_000, -25_000], [500, 1_001]],
    ['many steps', { type: 'integer', multipleOf: 7, minimum: 10 }, [14, 700], [7, 15]],
    [
      'optional properties in order',
      { type: 'object', properties: { a: { type: 'integer' }, b: { type: 'null' } }, additionalProperties: false },
      [{}, { a: 1 }, { b: null }, { a: 1, b: null }],
      [{ c: 1 }, { a: null }],
    ],
    [
      'described others',
      { type: 'object', properties: { a: { type: 'integer' } }, additionalProperties: { type: 'boolean' } },
      [{ a: 1, z: true }, { z: false }],
      [{ z: 1 }, { a: true }],
    ],
    [
      'names of a record',
      { type: 'object', propertyNames: { enum: ['a', 'b'] }, additionalProperties: { type: 'integer' } },
      [{}, { a: 1 }, { b: 2 }, { a: 1, b: 2 }],
      [{ c: 1 }, { a: 'x' }],
    ],
    [
      'a tuple of draft 7',
      { type: 'array', items: [{ type: 'string' }, { type: 'integer' }], additionalItems: { type: 'null' } },
      [
        ['a', 1],
        ['a', 1, null, null],
      ],
      [['a'], [1, 'a'], ['a', 1, 2]],
    ],
    [
      'a tree',
      {
        type: 'object',
        properties: { v: { type: 'integer' }, kids: { type: 'array', items: { $ref: '#' } } },
        required: ['v'],
      },
      [{ v: 1 }, { v: 1, kids: [{ v: 2, kids: [{ v: 3 }] }, { v: 4 }] }],
      [{ kids: [] }, { v: 1, kids: [{}] }],
    ],
    [
      'several at once',
      { allOf: [{ type: 'integer', minimum: 3 }, { maximum: 5 }, { not: { const: 9 } }] },
      [3, 5],
      [2, 6],
    ],
    [
      'a format and a pattern',
      { type: 'string', format: 'date', pattern: '^2024' },
      ['2024-02-29'],
      ['2023-01-01', '2024'],
    ],
    [
      'a pattern that no text of its format follows',
      { type: 'string', format: 'date', pattern: '^x-$' },
      ['x-'],
      ['2024-02-29'],
    ],
    [
      'a value whatever its format',
      { allOf: [{ type: 'string', format: 'date' }, { const: 'x-1' }] },
      ['x-1'],
      ['2024-02-29'],
    ],
    [
      'values whatever their format',
      { format: 'date-time', enum: ['2024-01-01T00:00:00+01:00', 'now'] },
      ['now', '2024-01-01T00:00:00+01:00'],
      ['2024-01-01T00:00:00Z'],
    ],
    ['values of every kind', { enum: [1, 'a', null, { b: [true] }] }, [1, 'a', null, { b: [true] }], [2, { b: [] }]],
    [
      'counted properties',
      { type: 'object', additionalProperties: { type: 'integer' }, minProperties: 2, maxProperties: 3 },
      [{ a: 1, b: 2 }],
      [{ a: 1 }, {}],
    ],
  ])('JS2: lets valid values through and no others: %s', (_what, one, valid, invalid) => {
    const machine = new GbnfMachine(grammarOfSchema(one));
    for (const value of valid) expect([value, machine.follows(JSON.stringify(value))]).toEqual([value, true]);
    for (const value of invalid) expect([value, machine.follows(JSON.stringify(value))]).toEqual([value, false]);
  });
});

/** What a schema names stands whatever its format, and so does what its patterns leave no text of a format for. */
function validatorIn(root: Schema): ReturnType<typeof validatorOf> {
  const strict = validatorOf(root);
  const mayPassOver = /"format"/.test(JSON.stringify(root)) && /"(const|enum|pattern)"/.test(JSON.stringify(root));
  const lenient = mayPassOver ? validatorOf(root, false) : undefined;
  return strict && lenient ? (value) => strict(value) || lenient(value) : strict;
}

/** Formats are only written, never checked, because validators differ in them; ajv passes over `contains` beside a described tuple. */
function knowsLess(root: Schema): boolean {
  return /"format"|"contains".*"prefixItems"|"prefixItems".*"contains"/.test(JSON.stringify(root));
}
