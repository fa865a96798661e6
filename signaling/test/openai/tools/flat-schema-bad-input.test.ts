/** Schemas that grow by their references: refused before what they would become is built. */
import { MeshError } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { flatSchema } from '../../../src/openai/tools/flat-schema.ts';

/** So many places refer to one definition. */
const repeated = (definition: object) => ({
  anyOf: Array.from({ length: 900 }, () => ({ $ref: '#/$defs/a' })),
  $defs: { a: definition },
});
const many = <Value>(value: Value) => Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`p${at}`, value]));

describe('a JSON schema', () => {
  it.each<[string, (seen: (part: object) => object) => object]>([
    ['properties', (seen) => ({ properties: seen(many(true)) })],
    ['keywords', (seen) => seen(many(1))],
    ['patterns', (seen) => ({ patternProperties: seen(many(false)) })],
  ])('AP29: of many %s in many places is refused before they are put there', (_what, definition) => {
    let looks = 0;
    const counted = (part: object) =>
      new Proxy(part, {
        ownKeys(target) {
          looks += 1;
          return Reflect.ownKeys(target);
        },
      });
    expect(() => flatSchema(repeated(definition(counted)), 'schema')).toThrow(
      expect.objectContaining({ code: 'invalid_request', message: expect.stringContaining('64 KB') }),
    );
    // Once to see how deep it goes, and a few times to put it in place.
    expect(looks).toBeLessThan(10);
  });

  it.each<[string, object]>([
    ['a long text', { description: 'x'.repeat(900_000) }],
    ['a long list', { enum: Array.from({ length: 50_000 }, (_, at) => at) }],
    ['long names', { required: Array.from({ length: 10_000 }, (_, at) => `property ${at}`) }],
  ])('AP29: of %s in many places is refused by a sentence', (_what, definition) => {
    try {
      flatSchema(repeated(definition), 'schema');
      expect.unreachable();
    } catch (error) {
      expect(MeshError.is(error, 'invalid_request') && error.message).toMatch(/64 KB.*\.$/);
    }
  });
});
