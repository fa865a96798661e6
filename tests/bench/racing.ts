/**
 * What racing does for the worst first tokens when one of four peers stalls now and then, and what it costs: the same
 * prompts with and without it, on the virtual network, where time is exact.
 */
import { ModelId } from '@tabmesh/shared';
import { createScriptedEngine, createSeededRandom, type ScriptedEngine, VirtualMesh } from '@tabmesh/shared/testing';
import { type Benchmark, toResult } from './run/benchmark.ts';
import { percentile } from './run/statistics.ts';

const PROMPTS = 1_500;
const PEERS = 4;
/** One answer in ten of the one peer, which is one in forty of all. */
const STALL_SHARE = 0.1;
const STALL_MS = 3_000;
const RACE_SHARE = 0.05;
const MODEL = ModelId.parse('scripted-model');

export const benchmark: Benchmark = {
  name: 'racing',
  describe: `time to first token of ${PROMPTS} prompts when one of ${PEERS} peers stalls now and then, with and without racing`,
  async run({ progress, signal }) {
    progress('without racing');
    const alone = await ask(0, signal);
    progress('with racing');
    const raced = await ask(RACE_SHARE, signal);
    const rival = (percent: number) => ({ name: 'without racing', value: percentile(alone.ttftMs, percent) });
    return [
      toResult({
        name: 'first token, p99',
        value: percentile(raced.ttftMs, 99),
        unit: 'ms',
        rival: rival(99),
        target: { of: 'ratio', bound: 'at most', limit: 0.5 },
      }),
      toResult({ name: 'first token, p50', value: percentile(raced.ttftMs, 50), unit: 'ms', rival: rival(50) }),
      toResult({
        name: 'jobs beyond one for each prompt',
        value: (raced.jobs / PROMPTS - 1) * 100,
        unit: '%',
        target: { of: 'value', bound: 'at most', limit: RACE_SHARE * 100 },
      }),
    ];
  },
};

async function ask(raceShare: number, signal: AbortSignal): Promise<{ ttftMs: number[]; jobs: number }> {
  const world = new VirtualMesh();
  const random = createSeededRandom(PROMPTS);
  const asker = world.member('asker', 'tab', { raceShare });
  const engines: ScriptedEngine[] = [];
  const engineOf = (ttft: number) => {
    const engine = createScriptedEngine({
      clock: world.clock,
      scenario: 'steady',
      ttftMs: ttft,
      tokenIntervalMs: 20,
      tokens: 12,
      slots: 8,
    });
    engines.push(engine);
    return engine;
  };
  for (let index = 0; index < PEERS; index += 1) {
    const [prompt, stalled] = [engineOf(60 + 10 * random.float()), engineOf(STALL_MS)];
    const stallShare = index === 0 ? STALL_SHARE : 0;
    world.member(`peer ${index}`, 'native').addEngine({
      ...prompt,
      generate: (request, stop) => (random.float() < stallShare ? stalled : prompt).generate(request, stop),
    });
  }
  await world.clock.advance(2_000);
  const ttftMs: number[] = [];
  for (let turn = 0; turn < PROMPTS; turn += 1) {
    signal.throwIfAborted();
    const messages = [{ role: 'user' as const, content: `Prompt ${turn}` }];
    const answer = world.ask(asker, { model: MODEL, messages });
    while (answer.state === 'running') await world.clock.advance(100);
    ttftMs.push(...answer.events.flatMap((event) => (event.type === 'end' ? [event.ttftMs] : [])));
  }
  await world.close();
  return { ttftMs, jobs: engines.reduce((sum, { requests }) => sum + requests.length, 0) };
}
