/**
 * What the gate and the router add to a request when a hundred peers serve each of twenty models: the same API over a mesh
 * without a network, once with all of them and once with a single peer, whose only candidate is the first one. Both
 * answer from the instant engine in their own process.
 */
import { join } from 'node:path';
import type { ModelId } from '@tabmesh/shared';
import { ensurePackages } from '../../shared/setup/ensure-packages.mjs';
import type { GateCalls } from './peers/gate-process.ts';
import type { Endpoint, LoadCalls } from './rivals/load-process.ts';
import { type BenchContext, type Benchmark, type Target, toResult } from './run/benchmark.ts';
import type { Child } from './run/children.ts';
import { inTurn, median, medianOfPairs, percentile } from './run/statistics.ts';

const PEERS = 100;
const MODELS = 20;
const DECISIONS = 1_000;
const REQUESTS = 200;
const WARM_UP_REQUESTS = 3_000;
const ROUNDS = 21;
const WARM_UPS = 5;
const RIVAL = 'the only peer taken';
const TARGET: Target = { of: 'value', bound: 'at most', limit: 0.3 };

export const benchmark: Benchmark = {
  name: 'gate',
  describe: `what gate and routing add to a request, over ${PEERS} peers that serve ${MODELS} models each`,
  async run(context) {
    const { children, progress, signal } = context;
    await ensurePackages(join(import.meta.dirname, 'rivals'));
    progress('filling the measurement windows');
    const load = await children.start<LoadCalls>(new URL('./rivals/load-process.ts', import.meta.url));
    const crowd = await startMesh(context, { peers: PEERS, models: MODELS });
    const single = await startMesh(context, { peers: 1, models: 1 });

    progress('deciding');
    const decisions = await inTurn({
      rounds: ROUNDS,
      warmUps: WARM_UPS,
      signal,
      ours: () => crowd.process.call('gateAndRoute', DECISIONS),
      rivals: () => single.process.call('gateAndRoute', DECISIONS),
    });
    progress('asking by HTTP');
    for (const api of [crowd, single]) await medianRequestMs(load, api, WARM_UP_REQUESTS);
    const requests = await inTurn({
      rounds: ROUNDS,
      warmUps: 0,
      signal,
      ours: () => medianRequestMs(load, crowd, REQUESTS),
      rivals: () => medianRequestMs(load, single, REQUESTS),
    });

    const ours = decisions.ours.flat();
    const rivals = decisions.rivals.flat();
    return [
      toResult({
        name: 'gate and route, p50',
        value: median(ours) / 1000,
        unit: 'ms',
        rival: { name: RIVAL, value: median(rivals) / 1000 },
        target: TARGET,
      }),
      toResult({
        name: 'gate and route, p99',
        value: percentile(ours, 99) / 1000,
        unit: 'ms',
        rival: { name: RIVAL, value: percentile(rivals, 99) / 1000 },
      }),
      toResult({
        name: 'added to a request by HTTP, p50',
        value: medianOfPairs(requests, (all, one) => all - one),
        unit: 'ms',
        rival: { name: `the whole request, ${RIVAL}`, value: median(requests.rivals) },
        target: TARGET,
      }),
    ];
  },
};

interface GatedApi {
  readonly process: Child<GateCalls>;
  readonly endpoints: readonly Endpoint[];
}

async function startMesh({ children }: BenchContext, size: { peers: number; models: number }): Promise<GatedApi> {
  const process = await children.start<GateCalls>(new URL('./peers/gate-process.ts', import.meta.url));
  const { url, asked } = await process.call('start', size);
  return { process, endpoints: asked.map((model) => chat(url, model)) };
}

function chat(url: string, model: ModelId): Endpoint {
  return {
    url: `${url}/chat/completions`,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] }),
  };
}

/** Every model gets its turn. */
async function medianRequestMs(load: Child<LoadCalls>, { endpoints }: GatedApi, count: number): Promise<number> {
  const times = await load.call('oneByOne', { endpoints, count });
  return median(times.totalMs);
}
