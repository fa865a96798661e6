/** Schemas as zod 3 and 4, pydantic and TypeBox print them, and as the AI SDK and LangChain send them. */
import { grammarOfSchema, readSchema, violationOf, whole } from '@tabmesh/shared/json-grammar';
import { createSeededRandom } from '@tabmesh/shared/testing';
import { describe, expect, it } from 'vitest';
import { GbnfMachine } from '../../../shared/src/testing/gbnf-machine.ts';
import corpus from './corpus.json' with { type: 'json' };
import { validatorOf } from './validators.ts';

/** What the grammar leaves to the check of the complete answer. */
const CHECKED_LATER = new Set(['uniqueItems', 'contains', 'oneOf', 'not', 'dependentRequired', 'required', 'maximum']);

describe('a schema that a library prints', () => {
  it.each(corpus.map(({ by, name, schema }) => [`${by}: ${name}`, schema] as const))(
    'JS1: becomes a grammar whose texts follow it: %s',
    (_name, schema) => {
      const machine = new GbnfMachine(grammarOfSchema(schema));
      const { float } = createSeededRandom(11);
      const validate = validatorOf(schema);
      const read = readSchema(schema);
      for (let count = 0; count < 30; count += 1) {
        const text = machine.write(float);
        const value: unknown = JSON.parse(text);
        const violation = violationOf(read, value);
        if (violation !== undefined)
          expect([text, [...CHECKED_LATER]]).toEqual([text, expect.arrayContaining([violation.keyword])]);
        // The check says what ajv says.
        if (validate !== undefined) expect([text, validate(value)]).toEqual([text, violation === undefined]);
      }
    },
  );

  it('JS1: is read once for all, and the same when it is read again', () => {
    for (const { schema } of corpus) {
      const once = whole(readSchema(schema));
      expect(whole(readSchema(once))).toEqual(once);
      expect(grammarOfSchema(once)).toBe(grammarOfSchema(schema));
    }
  });
});
