/**
 * Half an hour of all attacks in turn: does an honest answer get lost, does the entry's memory come back? A shorter one, to try
 * the attacks themselves: `TABMESH_SOAK_MINUTES=4 npm run bench -- attacks-soak`.
 */
import { ATTACK_MS, IDLE_MS, MIB, observe, prepareScene } from './attacks/scene.ts';
import { type Benchmark, type Target, toResult } from './run/benchmark.ts';

const SOAK_MS = minutesOf(process.env.TABMESH_SOAK_MINUTES) * 60_000;
const NONE: Target = { of: 'value', bound: 'at most', limit: 0 };

export const benchmark: Benchmark = {
  name: 'attacks-soak',
  describe: `all attacks in turn for ${SOAK_MS / 60_000} minutes: honest answers that are lost, memory that stays`,
  limitMs: SOAK_MS + 10 * 60_000,
  async run(context) {
    const scene = await prepareScene(context);
    const idle = await observe(context, scene, IDLE_MS);
    const names = await scene.attackers.call('names', undefined);
    let [answers, lost, mostBytes, notBegun] = [0, 0, 0, 0];
    const untilMs = performance.now() + SOAK_MS;
    let turns = 0;
    for (; performance.now() < untilMs; turns += 1) {
      context.signal.throwIfAborted();
      const name = names[turns % names.length] as string;
      context.progress(`${name}: ${Math.ceil((untilMs - performance.now()) / 60_000)} min left, ${lost} answers lost`);
      try {
        await scene.attackers.call('start', { name, url: scene.url });
      } catch (error) {
        // Half an hour is not lost to it.
        notBegun += 1;
        context.progress(`it could not begin: ${error instanceof Error ? error.message : String(error)}`);
      }
      const attacked = await observe(context, scene, ATTACK_MS);
      await scene.attackers.call('stop', undefined);
      answers += attacked.answersMs.length;
      lost += attacked.lost;
      mostBytes = Math.max(mostBytes, attacked.memoryBytes);
    }
    const afterwards = await observe(context, scene, IDLE_MS);
    const overIdle = (bytes: number) => (bytes - idle.memoryBytes) / MIB;
    return [
      toResult({ name: 'attacks', value: turns, unit: 'attacks' }),
      toResult({ name: 'attacks that could not begin', value: notBegun, unit: 'attacks', target: NONE }),
      toResult({ name: 'honest answers', value: answers, unit: 'answers' }),
      toResult({ name: 'honest answers lost', value: lost, unit: 'answers', target: NONE }),
      toResult({ name: 'most memory over idle', value: overIdle(mostBytes), unit: 'MiB' }),
      toResult({ name: 'memory over idle afterwards', value: overIdle(afterwards.memoryBytes), unit: 'MiB' }),
    ];
  },
};

function minutesOf(text = '30'): number {
  const minutes = Number(text);
  if (minutes > 0 && minutes <= 24 * 60) return minutes;
  throw new Error(`TABMESH_SOAK_MINUTES is '${text}'. Give minutes, such as 4.`);
}
