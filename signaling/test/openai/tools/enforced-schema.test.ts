import { MAX_SCHEMA_LEVELS, MeshError } from '@tabmesh/shared';
import { grammarOfSchema } from '@tabmesh/shared/json-grammar';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { enforcedSchema } from '../../../src/openai/tools/enforced-schema.ts';

function refusalOf(schema: object): { field: unknown; message: string } | undefined {
  try {
    enforcedSchema({ ...schema }, 'schema');
    return undefined;
  } catch (error) {
    if (!MeshError.is(error, 'invalid_request')) throw error;
    return { field: error.details.param, message: error.message };
  }
}

describe('a JSON schema', () => {
  it('AP27: has what it refers to under plain names, and keeps what it does not know', () => {
    const schema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $ref: '#/$defs/a~1b',
      $defs: {
        'a/b': { type: 'object', properties: { tags: { type: 'array', items: { $ref: '#/$defs/foo%20bar' } } } },
        'foo bar': { enum: ['x', 'y'], 'x-note': { $ref: 'kept' } },
        unused: { type: 'null' },
      },
      description: 'A thing.',
    };

    expect(enforcedSchema(schema, 'schema')).toEqual({
      type: 'object',
      properties: { tags: { type: 'array', items: { $ref: '#/$defs/bar' } } },
      description: 'A thing.',
      $defs: {
        bar: { enum: ['x', 'y'], 'x-note': { $ref: 'kept' } },
      },
    });
  });

  it.each<[string, object, object]>([
    [
      'a tuple of draft 7',
      { items: [{ type: 'string' }], additionalItems: { type: 'null' } },
      { prefixItems: [{ type: 'string' }], items: { type: 'null' } },
    ],
    [
      'bounds of draft 4',
      { type: 'number', minimum: 3, exclusiveMinimum: true },
      { type: 'number', exclusiveMinimum: 3 },
    ],
    [
      'dependencies',
      { type: 'object', dependencies: { a: ['b'], c: { required: ['d'] } } },
      { type: 'object', dependentRequired: { a: ['b'] }, dependentSchemas: { c: { required: ['d'] } } },
    ],
    [
      "OpenAPI's null",
      { type: 'string', enum: ['a'], nullable: true },
      { type: ['string', 'null'], enum: ['a', null] },
    ],
    ["OpenAPI's null of a union", { anyOf: [{}], nullable: true }, { anyOf: [{ anyOf: [{}] }, { type: 'null' }] }],
  ])('AP27: has the words of today for %s', (_what, old, today) => {
    expect(enforcedSchema({ ...old }, 'schema')).toEqual(today);
  });

  it('AP27: may contain itself, by a pointer, an anchor or its own name', () => {
    const trees = [
      { type: 'object', properties: { kids: { type: 'array', items: { $ref: '#' } } } },
      { $ref: '#/$defs/tree', $defs: { tree: { type: 'array', items: { $ref: '#/$defs/tree' } } } },
      { $id: 'T0', type: 'object', properties: { kids: { type: 'array', items: { $ref: 'T0' } } } },
      { $anchor: 'tree', type: 'array', items: { $ref: '#tree' } },
    ];
    for (const tree of trees) expect(grammarOfSchema(enforcedSchema(tree, 'schema'))).toContain('root ::=');
  });

  it.each<[string, object]>([
    ['schema.type', { type: 'text' }],
    ['schema.type', { type: [] }],
    ['schema.properties', { properties: ['a'] }],
    ['schema.properties.a', { properties: { a: 'string' } }],
    ['schema.properties.a.items.type', { properties: { a: { items: { type: 7 } } } }],
    ['schema.required', { required: 'a' }],
    ['schema.enum', { enum: [] }],
    ['schema.anyOf', { anyOf: {} }],
    ['schema.anyOf[1]', { anyOf: [{}, null] }],
    ['schema.pattern', { pattern: 7 }],
    ['schema.minLength', { minLength: -1 }],
    ['schema.multipleOf', { multipleOf: 0 }],
    ['schema.$ref', { $ref: 'https://example.com/schema.json' }],
    ['schema.items.$ref', { items: { $ref: '#/$defs/none' } }],
  ])('AP27: that is wrong is refused where it is wrong: %s', (field, schema) => {
    expect(refusalOf(schema)).toMatchObject({ field, message: expect.stringMatching(/\.$/) });
  });

  it.each<[string, object, string]>([
    [
      'refers back within a pattern',
      { properties: { a: { pattern: '(x)\\1' } } },
      "'a' in it has a 'pattern' that refers back",
    ],
    ['is nothing but itself', { $ref: '#' }, 'refers to itself with nothing between'],
    ['has no end', { required: ['a'], properties: { a: { $ref: '#' } } }, 'describes no value that ever ends'],
    ['contradicts itself', { allOf: [{ type: 'string' }, { type: 'null' }] }, 'allows no value'],
  ])('AP29: that %s is refused by its field, with the reason', (_what, schema, reason) => {
    expect(refusalOf(schema)).toMatchObject({ field: 'schema', message: expect.stringContaining(reason) });
  });

  it('AP27: that is nested endlessly or huge is refused, and one that doubles with every reference is not', () => {
    const nested = (levels: number): object => (levels === 0 ? {} : { items: nested(levels - 1) });
    expect(refusalOf(nested(40))?.message).toContain('nested more than');
    let deep: object = {};
    for (let level = 0; level < 100_000; level += 1) deep = { default: deep };
    expect(refusalOf(deep)?.message).toContain('nested deeper');
    expect(refusalOf({ description: 'x'.repeat(70_000) })?.message).toContain('64 KB');
    const doubled = Array.from({ length: 19 }, (_, index) => {
      const next = { $ref: `#/$defs/d${index + 1}` };
      return [`d${index}`, index === 18 ? { type: 'null' } : { anyOf: [next, next] }];
    });
    expect(refusalOf({ $ref: '#/$defs/d0', $defs: Object.fromEntries(doubled) })).toBeUndefined();
  });

  it('AP27: that is as deep as every engine follows passes, references aside, and one a level deeper is refused', () => {
    const nested = (levels: number): object => (levels === 0 ? {} : { items: nested(levels - 1) });
    expect(grammarOfSchema(enforcedSchema({ ...nested(MAX_SCHEMA_LEVELS) }, 'schema'))).toContain('root ::=');
    expect(refusalOf(nested(MAX_SCHEMA_LEVELS + 1))?.message).toContain(`more than ${MAX_SCHEMA_LEVELS} levels`);
    expect(() => grammarOfSchema({ ...nested(MAX_SCHEMA_LEVELS + 1) })).toThrow(`${MAX_SCHEMA_LEVELS} levels`);
    const chain = Array.from({ length: 200 }, (_, index) => [
      `d${index}`,
      index === 0 ? {} : { items: { $ref: `#/$defs/d${index - 1}` } },
    ]);
    expect(refusalOf({ $ref: '#/$defs/d199', $defs: Object.fromEntries(chain) })).toBeUndefined();
  });

  it('AP27: is the same when it is read again, and nothing makes it fail otherwise', () => {
    const keywords = [
      'type',
      'properties',
      'items',
      'anyOf',
      '$ref',
      '$defs',
      'enum',
      'required',
      'pattern',
      'a',
    ] as const;
    const { node } = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 5 },
        fc.constantFrom('object', '#', '#/$defs/a', '#/a', true, 7, null),
        fc.array(tie('node'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...keywords), tie('node'), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...keywords), node, { maxKeys: 5 }), (schema) => {
        if (refusalOf(schema) !== undefined) return;
        const once = enforcedSchema(schema, 'schema');
        expect(enforcedSchema(once, 'schema')).toEqual(once);
      }),
      { numRuns: 2_000 },
    );
  });
});
