/** One routing decision over many candidates, against a router that makes a list of estimates and sorts it. */
import { createIdentity, type PeerId, type RouteCandidate, type RouteQuery, route } from '@tabmesh/shared';
import { createSeededRandom } from '@tabmesh/shared/testing';
import { type Benchmark, type Result, type Target, toResult } from './run/benchmark.ts';
import { inTurn, median } from './run/statistics.ts';

const SIZES: readonly { readonly candidates: number; readonly targetUs?: number }[] = [
  { candidates: 100, targetUs: 50 },
  { candidates: 1_000 },
  { candidates: 10_000, targetUs: 1_000 },
  { candidates: 100_000 },
];
const ROUNDS = 9;
const WARM_UPS = 3;
/** Long enough for the clock and for the optimising compiler. */
const ROUND_MS = 60;
const QUERIES = 64;

export const benchmark: Benchmark = {
  name: 'router',
  describe: 'one routing decision over 10² to 10⁵ candidates',
  async run({ signal, progress }) {
    const results: Result[] = [];
    for (const { candidates: count, targetUs } of SIZES) {
      progress(`${count} candidates`);
      const random = createSeededRandom(count);
      const peerId = createIdentity(random).peerId;
      const candidates = Array.from({ length: count }, () => candidate(peerId, random.float));
      const queries = Array.from({ length: QUERIES }, () => query(random.float));
      const { ours, rivals } = await inTurn({
        rounds: ROUNDS,
        warmUps: WARM_UPS,
        signal,
        ours: () => microsecondsPerDecision((index) => route(candidates, pick(queries, index))),
        rivals: () => microsecondsPerDecision((index) => sortedRoute(candidates, pick(queries, index))),
      });
      const target: Target | undefined =
        targetUs === undefined ? undefined : { of: 'value', bound: 'at most', limit: targetUs };
      const rival = { name: 'sorting router', value: median(rivals) };
      results.push(
        toResult({
          name: `one decision over ${count}`,
          value: median(ours),
          unit: 'µs',
          rival,
          target,
        }),
        toResult({
          name: `decisions over ${count}`,
          value: 1e6 / median(ours),
          unit: '/s',
          rival: { name: rival.name, value: 1e6 / rival.value },
        }),
      );
    }
    return results;
  },
};

/** As a mesh looks: most are idle and measured, some busy, unmeasured, draining, unlinked. */
function candidate(peerId: PeerId, float: () => number): RouteCandidate {
  const measured = float() < 0.9;
  const linked = float() < 0.1;
  const slots = 1 + Math.floor(float() * 4);
  return {
    peerId,
    local: false,
    draining: float() < 0.02,
    contextTokens: float() < 0.5 ? 4_096 : 32_768,
    failed: false,
    connectMs: linked ? 0 : 300,
    rttMs: 1 + float() * 120,
    slots,
    load: Math.floor(float() * (slots + 2)),
    ttftMs: measured ? 50 + float() * 4_000 : Number.NaN,
    tokensPerSecond: measured ? 2 + float() * 80 : Number.NaN,
    source: measured ? 'announced' : 'none',
    holdsPrefix: false,
  };
}

function query(float: () => number): RouteQuery {
  return {
    outputTokens: 50 + Math.floor(float() * 400),
    contextTokens: 200 + Math.floor(float() * 8_000),
    target: { ttftMs: 3_000, tokensPerSecond: 8 },
    draws: [float(), float()],
  };
}

function pick(queries: readonly RouteQuery[], index: number): RouteQuery {
  return queries[index % QUERIES] as RouteQuery;
}

/** What one would write first; it knows neither draws nor equals, so it has less to do. */
function sortedRoute(
  candidates: readonly RouteCandidate[],
  { outputTokens, contextTokens, target }: RouteQuery,
): number {
  const estimates = candidates.flatMap((one, index) => {
    if (one.draining || one.failed || one.contextTokens < contextTokens) return [];
    const answerMs = one.ttftMs + (outputTokens * 1000) / one.tokensPerSecond;
    const waitMs = Math.max(0, ((one.load - one.slots + 1) / one.slots) * answerMs);
    const meets = target === null || (one.ttftMs <= target.ttftMs && one.tokensPerSecond >= target.tokensPerSecond);
    const expectedMs = Number.isNaN(answerMs) ? Number.MAX_VALUE : one.connectMs + one.rttMs + waitMs + answerMs;
    return [{ index, meets, expectedMs }];
  });
  estimates.sort((a, b) => Number(b.meets) - Number(a.meets) || a.expectedMs - b.expectedMs);
  return estimates[0]?.index ?? -1;
}

let sink = 0;

/** The chosen index is kept, or the compiler would drop the work. */
function microsecondsPerDecision(decide: (index: number) => number): number {
  const startMs = performance.now();
  let decisions = 0;
  let nowMs = startMs;
  while (nowMs - startMs < ROUND_MS) {
    // The clock costs as much as a small decision: it is read once for several.
    for (let repeat = 0; repeat < 4; repeat += 1) sink += decide(decisions + repeat);
    decisions += 4;
    nowMs = performance.now();
  }
  return ((nowMs - startMs) * 1000) / decisions + (Number.isNaN(sink) ? 1 : 0);
}
