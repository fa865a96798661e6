/** A schema to a grammar, over the schemas that libraries print: on each engine's and the entry's event loop, once an answer. */

import { grammarOfSchema } from '../../shared/src/engine-kit/json-grammar/schema.ts';
import corpus from '../../signaling/test/schemas/corpus.json' with { type: 'json' };
import { type Benchmark, toResult } from './run/benchmark.ts';
import { percentile } from './run/statistics.ts';

const ROUNDS = 20;

export const benchmark: Benchmark = {
  name: 'grammar',
  describe: 'JSON schemas to grammars, over those that zod, pydantic, TypeBox and the SDKs print',
  run({ signal, progress }) {
    const times: number[] = [];
    const worst = new Map<string, number>();
    for (let round = 0; round < ROUNDS; round += 1) {
      signal.throwIfAborted();
      progress(`round ${round + 1} of ${ROUNDS}, ${corpus.length} schemas`);
      for (const { by, name, schema } of corpus) {
        const since = performance.now();
        grammarOfSchema(schema);
        const took = performance.now() - since;
        times.push(took);
        worst.set(`${by}: ${name}`, Math.min(took, worst.get(`${by}: ${name}`) ?? Number.POSITIVE_INFINITY));
      }
    }
    const [slowest = ['none', 0]] = [...worst].sort(([, left], [, right]) => right - left);
    return Promise.resolve([
      toResult({ name: 'compile p50', value: percentile(times, 50), unit: 'ms' }),
      toResult({
        name: 'compile p99',
        value: percentile(times, 99),
        unit: 'ms',
        target: { of: 'value', bound: 'at most', limit: 50 },
      }),
      toResult({ name: `slowest, at best (${slowest[0]})`, value: slowest[1], unit: 'ms' }),
    ]);
  },
};
