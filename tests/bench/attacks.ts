/**
 * What honest clients of an entry feel while strangers attack it, and how much memory it takes: each attack beside the same
 * entry left alone a moment before.
 */
import { ATTACK_MS, IDLE_MS, MIB, observe, prepareScene } from './attacks/scene.ts';
import { type Benchmark, type Result, type Target, toResult } from './run/benchmark.ts';
import { percentile } from './run/statistics.ts';

const NONE: Target = { of: 'value', bound: 'at most', limit: 0 };

export const benchmark: Benchmark = {
  name: 'attacks',
  describe: `honest answers and the entry's memory during each attack of ${ATTACK_MS / 1000} s, beside the idle entry`,
  async run(context) {
    const scene = await prepareScene(context);
    const results: Result[] = [];
    for (const name of await scene.attackers.call('names', undefined)) {
      context.signal.throwIfAborted();
      context.progress(name);
      const idle = await observe(context, scene, IDLE_MS);
      await scene.attackers.call('start', { name, url: scene.url });
      const attacked = await observe(context, scene, ATTACK_MS);
      await scene.attackers.call('stop', undefined);
      results.push(
        toResult({
          name: `${name}: honest answers, p99`,
          value: percentile(attacked.answersMs, 99),
          unit: 'ms',
          rival: { name: 'idle', value: percentile(idle.answersMs, 99) },
          target: { of: 'ratio', bound: 'at most', limit: 1.5 },
        }),
        toResult({ name: `${name}: honest answers lost`, value: attacked.lost, unit: 'answers', target: NONE }),
        toResult({
          name: `${name}: processors that the entry takes`,
          value: attacked.load.processors,
          unit: 'processors',
          rival: { name: 'idle', value: idle.load.processors },
        }),
        toResult({
          name: `${name}: longest turn of the event loop`,
          value: attacked.load.longestTurnMs,
          unit: 'ms',
          rival: { name: 'idle', value: idle.load.longestTurnMs },
        }),
        toResult({
          name: `${name}: memory over idle`,
          value: (attacked.memoryBytes - idle.memoryBytes) / MIB,
          unit: 'MiB',
          target: { of: 'value', bound: 'at most', limit: 100 },
        }),
      );
    }
    return results;
  },
};
