/** The schemas that libraries print, on a real model: what llama.cpp writes by their grammars follows them. */
import { type Engine, MeshError } from '@tabmesh/shared';
import { readSchema, violationOf } from '@tabmesh/shared/json-grammar';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answer, ask } from '../../shared/src/testing/engine-subject.ts';
import corpus from '../../signaling/test/schemas/corpus.json' with { type: 'json' };
import { loadLlamaEngine } from '../src/llama/load-llama-engine.ts';
import { TINY } from './embedded-models.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await loadLlamaEngine({ file: TINY, slots: 1, threads: 1, gpu: 'off' });
});
afterAll(() => engine.close());

/** What the grammar leaves to the check of the complete answer. */
const CHECKED_LATER = ['uniqueItems', 'contains', 'oneOf', 'anyOf', 'not', 'dependentRequired', 'required', 'maximum'];

describe('a schema that a library prints', () => {
  it('NP130: is followed by llama.cpp at temperature 1', { timeout: 240_000 }, async () => {
    let complete = 0;
    const schemas = corpus.filter(({ by }) => !by.includes(','));
    for (const [index, { by, name, schema }] of schemas.entries()) {
      const read = readSchema(schema);
      const responseFormat = { type: 'json_schema', schema } as const;
      const asked = ask('What is a mesh?', { responseFormat, temperature: 1, seed: index, maxTokens: 120 });
      const { text, reason } = await answer(engine, asked).catch((error: unknown) => {
        throw new Error(`${by}: ${name}: ${MeshError.is(error) ? error.message : String(error)}`, { cause: error });
      });
      // A model that babbles comes to no end in a long text.
      if (reason === 'length') continue;
      complete += 1;
      const keyword = violationOf(read, JSON.parse(text))?.keyword;
      expect([by, name, text, keyword]).toEqual([by, name, text, keyword && expect.toBeOneOf(CHECKED_LATER)]);
    }
    expect(complete).toBeGreaterThan(schemas.length / 4);
  });
});
