/** Answers while everything around them breaks, on the virtual network: is a character ever lost or repeated? */
import { runChaos } from '@tabmesh/shared/testing';
import { type Benchmark, toResult } from './run/benchmark.ts';

const RUNS = 1_000;

export const benchmark: Benchmark = {
  name: 'chaos',
  describe: `${RUNS} seeded runs in which peers are killed, hang, drain, fail and lose the entry`,
  async run({ signal, progress }) {
    let [wrong, failed, moved] = [0, 0, 0];
    for (let seed = 1; seed <= RUNS; seed += 1) {
      signal.throwIfAborted();
      if (seed % 100 === 0) progress(`seed ${seed} of ${RUNS}`);
      for (const { text, expected, state, peers } of (await runChaos(seed, 1)).answers) {
        if (peers > 1) moved += 1;
        if (state !== 'done') failed += 1;
        // What a failed answer had delivered must still be the beginning of the right one.
        if (state === 'done' ? text !== expected : !expected.startsWith(text)) wrong += 1;
      }
    }
    const none = { of: 'value', bound: 'at most', limit: 0 } as const;
    return [
      toResult({ name: 'answers with a character lost or repeated', value: wrong, unit: 'answers', target: none }),
      toResult({ name: 'answers that ended with an error', value: failed, unit: 'answers', target: none }),
      toResult({ name: 'answers that took more than one peer', value: moved, unit: 'answers' }),
    ];
  },
};
