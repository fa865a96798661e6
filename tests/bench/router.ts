/** One routing decision over many candidates, against a router that makes a list of estimates and sorts it. */
import {
  type Announcement,
  ClassId,
  ModelId,
  PeerId,
  type RouteCandidate,
  type RouteQuery,
  route,
  type ServedModel,
} from '@tabmesh/shared';
import { createSeededRandom } from '@tabmesh/shared/testing';
import { toCandidate } from '../../shared/src/routing/candidate.ts';
import { type Benchmark, type Result, toResult } from './run/benchmark.ts';
import { inTurn, median } from './run/statistics.ts';

const SIZES: readonly { readonly candidates: number; readonly targetUs?: number }[] = [
  { candidates: 100, targetUs: 50 },
  { candidates: 1_000 },
  { candidates: 10_000, targetUs: 1_000 },
  { candidates: 100_000 },
];
const RIVAL = 'sorting router';
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
      const { float } = createSeededRandom(count);
      const peers = Array.from({ length: count }, () => peer(float));
      const candidates = peers.map(toCandidateOf);
      const queries = Array.from({ length: QUERIES }, () => query(float));
      const { ours, rivals } = await inTurn({
        rounds: ROUNDS,
        warmUps: WARM_UPS,
        signal,
        ours: () => ({
          decisionUs: microsecondsPerDecision((index) => route(candidates, pick(queries, index))),
          fromRosterUs: microsecondsPerDecision((index) => route(peers.map(toCandidateOf), pick(queries, index))),
        }),
        rivals: () => microsecondsPerDecision((index) => sortedRoute(candidates, pick(queries, index))),
      });
      const decisionUs = median(ours.map((round) => round.decisionUs));
      const rivalUs = median(rivals);
      results.push(
        toResult({
          name: `one decision over ${count}`,
          value: decisionUs,
          unit: 'µs',
          rival: { name: RIVAL, value: rivalUs },
          target: targetUs === undefined ? undefined : { of: 'value', bound: 'at most', limit: targetUs },
        }),
        toResult({
          name: `decisions over ${count}`,
          value: 1e6 / decisionUs,
          unit: '/s',
          rival: { name: RIVAL, value: 1e6 / rivalUs },
        }),
        toResult({
          name: `the same from ${count} announcements`,
          value: median(ours.map((round) => round.fromRosterUs)),
          unit: 'µs',
        }),
      );
    }
    return results;
  },
};

type Peer = Parameters<typeof toCandidate>;

function toCandidateOf(parts: Peer): RouteCandidate {
  return toCandidate(...parts);
}

/** As a mesh looks: most are idle and measured, some busy, unmeasured, draining, unlinked. */
function peer(float: () => number): Peer {
  const slots = 1 + Math.floor(float() * 4);
  const load = Math.floor(float() * (slots + 2));
  const model: ServedModel = {
    id: ModelId.parse('mesh-tiny'),
    classId: ClassId.parse('0'.repeat(32)),
    family: 'scripted',
    backend: 'none',
    contextTokens: float() < 0.5 ? 4_096 : 32_768,
    slots,
    inFlight: Math.min(load, slots),
    queued: Math.max(0, load - slots),
    sizeBytes: 0,
    features: [],
    measured:
      float() < 0.9
        ? {
            ttftMs: 50 + float() * 4_000,
            ttftP95Ms: 5_000,
            tokensPerSecond: 2 + float() * 80,
            tokensPerSecondP95: 100,
            sampleCount: 9,
            ageMs: 1_000,
          }
        : null,
    baseline: null,
  };
  const announcement: Announcement = {
    type: 'announcement',
    peerId: PeerId.parse(`${'B'.repeat(42)}A`),
    kind: 'native',
    version: 'bench',
    sequence: 1,
    issuedAtMs: 0,
    lifetimeMs: 30_000,
    state: float() < 0.02 ? 'draining' : 'ready',
    memoryBytes: null,
    models: [model],
    links: [],
  };
  const linkRttMs = float() < 0.1 ? 1 + float() * 120 : undefined;
  return [
    announcement,
    model,
    { local: false, linkRttMs, ownMeasured: null, inFlight: 0, failed: false, holdsPrefix: false },
  ];
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
