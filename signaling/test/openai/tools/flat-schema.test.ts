import { MAX_SCHEMA_LEVELS, MeshError } from '@tabmesh/shared';
import { grammarOfSchema } from '@tabmesh/shared/json-grammar';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { flatSchema } from '../../../src/openai/tools/flat-schema.ts';

function refusalOf(schema: object): { field: unknown; message: string } | undefined {
  try {
    flatSchema({ ...schema }, 'schema');
    return undefined;
  } catch (error) {
    if (!MeshError.is(error, 'invalid_request')) throw error;
    return { field: error.details.param, message: error.message };
  }
}

describe('a JSON schema', () => {
  it('AP27: has what it refers to in place, and keeps what it does not know', () => {
    const schema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $ref: '#/$defs/a~1b',
      $defs: {
        'a/b': { type: 'object', properties: { tags: { type: 'array', items: { $ref: '#/$defs/tag' } } } },
        tag: { enum: ['x', 'y'], 'x-note': { $ref: 'kept' } },
      },
      description: 'A thing.',
    };

    expect(flatSchema(schema, 'schema')).toEqual({
      type: 'object',
      properties: { tags: { type: 'array', items: { enum: ['x', 'y'], 'x-note': { $ref: 'kept' } } } },
      description: 'A thing.',
    });
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
    ['schema.$ref', { $ref: 'https://example.com/schema.json' }],
    ['schema.items.$ref', { items: { $ref: '#/$defs/none' } }],
  ])('AP27: that is wrong is refused where it is wrong: %s', (field, schema) => {
    expect(refusalOf(schema)).toMatchObject({ field, message: expect.stringMatching(/\.$/) });
  });

  it.each<[string, object]>([
    ['itself', { properties: { next: { $ref: '#' } } }],
    ['a definition that contains itself', { $ref: '#/$defs/a', $defs: { a: { items: { $ref: '#/$defs/a' } } } }],
    [
      'definitions that contain each other',
      { $ref: '#/$defs/a', $defs: { a: { not: { $ref: '#/$defs/b' } }, b: { not: { $ref: '#/$defs/a' } } } },
    ],
  ])('AP27: that contains %s is refused', (_what, schema) => {
    expect(refusalOf(schema)?.message).toContain('contain itself');
  });

  it('AP27: that is nested endlessly, is huge, or grows huge by its references is refused', () => {
    const nested = (levels: number): object => (levels === 0 ? {} : { items: nested(levels - 1) });
    expect(refusalOf(nested(40))?.message).toContain('nested deeper');
    let deep: object = {};
    for (let level = 0; level < 100_000; level += 1) deep = { default: deep };
    expect(refusalOf(deep)?.message).toContain('nested deeper');
    expect(refusalOf({ description: 'x'.repeat(70_000) })?.message).toContain('64 KB');
    const doubled = Array.from({ length: 25 }, (_, index) => {
      const next = { $ref: `#/$defs/d${index + 1}` };
      return [`d${index}`, index === 24 ? { type: 'null' } : { anyOf: [next, next] }];
    });
    expect(refusalOf({ $ref: '#/$defs/d0', $defs: Object.fromEntries(doubled) })?.message).toMatch(/over|deeper/);
  });

  it('AP27: that is as deep as every engine follows passes, references aside, and one a level deeper is refused', () => {
    const nested = (levels: number): object => (levels === 0 ? {} : { items: nested(levels - 1) });
    expect(grammarOfSchema(flatSchema({ ...nested(MAX_SCHEMA_LEVELS) }, 'schema'))).toContain('root ::=');
    expect(refusalOf(nested(MAX_SCHEMA_LEVELS + 1))?.message).toContain(`deeper than ${MAX_SCHEMA_LEVELS} levels`);
    expect(() => grammarOfSchema({ ...nested(MAX_SCHEMA_LEVELS + 1) })).toThrow(`${MAX_SCHEMA_LEVELS} levels`);
    const lists = Array.from({ length: MAX_SCHEMA_LEVELS / 2 }, (_, index) => [
      `d${index}`,
      { items: { items: index === 0 ? {} : { $ref: `#/$defs/d${index - 1}` } } },
    ]);
    const referring = { $ref: `#/$defs/d${lists.length - 1}`, $defs: Object.fromEntries(lists) };
    expect(flatSchema(referring, 'schema')).toEqual(nested(MAX_SCHEMA_LEVELS));
  });

  it('AP27: is flat after it was made flat once, and nothing makes it fail otherwise', () => {
    const keywords = ['type', 'properties', 'items', 'anyOf', '$ref', '$defs', 'enum', 'required', 'a'] as const;
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
        const flat = flatSchema(schema, 'schema');
        expect(flatSchema(flat, 'schema')).toEqual(flat);
      }),
      { numRuns: 2_000 },
    );
  });
});
