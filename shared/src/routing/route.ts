/**
 * Which peer answers: a pure function of its arguments.
 *
 * expectedMs = connect + RTT + wait + TTFT + outputTokens ÷ rate. `route` runs over thousands of candidates per prompt and
 * allocates nothing per candidate; `explain` tells the same decision in full, for those who ask.
 */
import type { ClassId, PeerId } from '../protocol/ids.ts';

export interface RouteCandidate {
  readonly peerId: PeerId;
  readonly classId: ClassId;
  /** This end's own engine. */
  readonly local: boolean;
  readonly draining: boolean;
  readonly contextTokens: number;
  /** It refused or lost this very job. */
  readonly failed: boolean;
  /** Expected time to an open link; 0 when linked. */
  readonly connectMs: number;
  readonly rttMs: number;
  readonly slots: number;
  /** Answers running and waiting there, own ones included. */
  readonly load: number;
  /** NaN while unmeasured: numbers of one kind keep the loop fast. */
  readonly ttftMs: number;
  readonly ttftP95Ms: number;
  readonly tokensPerSecond: number;
  readonly source: 'own' | 'announced' | 'none';
  /** It answered this conversation before, so its cache holds the beginning. */
  readonly holdsPrefix: boolean;
}

export interface RouteQuery {
  /** The answer length to expect. */
  readonly outputTokens: number;
  /** What prompt and answer need at least. */
  readonly contextTokens: number;
  /** What the model's tier asks for; null when the tier is never gated. */
  readonly target: {
    readonly ttftMs: number;
    readonly tokensPerSecond: number;
  } | null;
  /** Two draws in [0, 1): whether to try an unmeasured peer, and which of the equals to look at. */
  readonly draws: readonly [number, number];
}

/** Why a candidate was not chosen. */
export type RouteVerdict =
  | 'chosen'
  | 'slower'
  | 'as-fast-but-busier'
  | 'holds-no-prefix'
  | 'not-local'
  | 'unmeasured'
  /** It is measured, and this job went to try one that is not. */
  | 'another-tried'
  | 'misses-sla'
  | 'draining'
  | 'context-too-short'
  | 'already-failed';

export interface ExplainedCandidate {
  readonly peerId: PeerId;
  readonly verdict: RouteVerdict;
  /** null: not measured yet. All in ms; `expectedMs` is the sum that the choice was made by. */
  readonly expectedMs: number | null;
  readonly connectMs: number;
  readonly rttMs: number;
  readonly waitMs: number;
  readonly ttftMs: number | null;
  readonly tokensPerSecond: number | null;
  /** Whose figures: own samples rule, then what the provider announced. */
  readonly source: 'own' | 'announced' | 'none';
}

export interface RouteExplanation {
  /** The answer length that `expectedMs` assumes. */
  readonly outputTokens: number;
  /** Best first. */
  readonly candidates: readonly ExplainedCandidate[];
}

/** Within this factor of the best two candidates count as equally fast: rates of one peer vary as much from answer to answer. */
const NOISE_FACTOR = 1.1;
/** A peer must be this much faster to take a conversation from the one that holds its prefix. */
const PREFIX_FACTOR = 1.25;
/** Share of the jobs with which an unmeasured peer is tried while measured ones exist. */
const EXPLORE_SHARE = 0.1;
/** What an unmeasured candidate is taken for when there is no other: only its distance and load tell it from its like. */
const UNMEASURED_TTFT_MS = 500;
const UNMEASURED_TOKENS_PER_SECOND = 20;
/** What a daily driver may take (`SLA_TARGETS`). */
const UNMEASURED_LATE_MS = 3_000;

/** The index of the candidate to ask, or -1 when none can serve. */
export function route(candidates: readonly RouteCandidate[], query: RouteQuery): number {
  let best = -1;
  let bestMs = Number.POSITIVE_INFINITY;
  let bestMeets = false;
  let bestMeasured = false;
  let unmeasured = 0;
  for (let index = 0; index < candidates.length; index += 1) {
    const candidate = candidates[index] as RouteCandidate;
    if (!canServe(candidate, query)) continue;
    const measured = isMeasured(candidate);
    if (!measured) unmeasured += 1;
    const meets = measured && meetsTarget(candidate, query);
    const ms = expectedMs(candidate, query.outputTokens);
    if (best === -1 || isBetter(meets, measured, ms, bestMeets, bestMeasured, bestMs)) {
      best = index;
      bestMs = ms;
      bestMeets = meets;
      bestMeasured = measured;
    }
  }
  if (best === -1) return -1;
  const [exploreDraw, tieDraw] = query.draws;
  if (bestMeasured && unmeasured > 0 && exploreDraw < EXPLORE_SHARE) {
    const tried = idleUnmeasured(candidates, query, tieDraw);
    if (tried !== -1) return tried;
  }
  return amongEquals(candidates, query, {
    best,
    bestMs,
    bestMeets,
    bestMeasured,
  });
}

/** Every candidate's figures and why it lost. `chosen` is what `route` returned for the same arguments. */
export function explain(candidates: readonly RouteCandidate[], query: RouteQuery, chosen: number): RouteExplanation {
  const winner = candidates[chosen];
  const winnerMs = winner === undefined ? Number.NaN : expectedMs(winner, query.outputTokens);
  const rows = candidates.map((candidate, index): ExplainedCandidate => {
    const measured = isMeasured(candidate);
    const ms = expectedMs(candidate, query.outputTokens);
    return {
      peerId: candidate.peerId,
      verdict: index === chosen ? 'chosen' : lossOf(candidate, query, ms, winner, winnerMs),
      expectedMs: measured ? ms : null,
      connectMs: candidate.connectMs,
      rttMs: candidate.rttMs,
      waitMs: waitMs(candidate, query.outputTokens),
      ttftMs: measured ? candidate.ttftMs : null,
      tokensPerSecond: measured ? candidate.tokensPerSecond : null,
      source: candidate.source,
    };
  });
  const rank = (row: ExplainedCandidate) => (row.verdict === 'chosen' ? -1 : (row.expectedMs ?? Number.MAX_VALUE));
  return {
    outputTokens: query.outputTokens,
    candidates: rows.sort((a, b) => rank(a) - rank(b)),
  };
}

/** By when the first text should be there: later than in 19 of 20 answers of this peer. */
export function firstTokenByMs(candidate: RouteCandidate, { outputTokens }: RouteQuery): number {
  const ttftMs = isMeasured(candidate) ? candidate.ttftP95Ms : UNMEASURED_LATE_MS;
  return candidate.connectMs + candidate.rttMs + waitMs(candidate, outputTokens) + ttftMs;
}

/** From one token of the candidate to the next. */
export function expectedTokenMs(candidate: RouteCandidate): number {
  return 1_000 / (isMeasured(candidate) ? candidate.tokensPerSecond : UNMEASURED_TOKENS_PER_SECOND);
}

function canServe(candidate: RouteCandidate, query: RouteQuery): boolean {
  return !candidate.draining && !candidate.failed && candidate.contextTokens >= query.contextTokens;
}

function isMeasured(candidate: RouteCandidate): boolean {
  return candidate.tokensPerSecond > 0;
}

function meetsTarget(candidate: RouteCandidate, { target }: RouteQuery): boolean {
  if (target === null) return true;
  return candidate.ttftMs <= target.ttftMs && candidate.tokensPerSecond >= target.tokensPerSecond;
}

/** Meeting the SLA beats being measured beats being fast. */
function isBetter(
  meets: boolean,
  measured: boolean,
  ms: number,
  bestMeets: boolean,
  bestMeasured: boolean,
  bestMs: number,
): boolean {
  if (meets !== bestMeets) return meets;
  if (measured !== bestMeasured) return measured;
  return ms < bestMs;
}

function expectedMs(candidate: RouteCandidate, outputTokens: number): number {
  return candidate.connectMs + candidate.rttMs + waitMs(candidate, outputTokens) + answerMs(candidate, outputTokens);
}

function answerMs(candidate: RouteCandidate, outputTokens: number): number {
  return isMeasured(candidate)
    ? candidate.ttftMs + (outputTokens * 1000) / candidate.tokensPerSecond
    : UNMEASURED_TTFT_MS + (outputTokens * 1000) / UNMEASURED_TOKENS_PER_SECOND;
}

/** Until a slot is free, when every answer before takes as long as this one. */
function waitMs(candidate: RouteCandidate, outputTokens: number): number {
  const ahead = candidate.load - candidate.slots + 1;
  return ahead <= 0 ? 0 : (ahead / candidate.slots) * answerMs(candidate, outputTokens);
}

/** The first idle unmeasured candidate at or after a drawn place. */
function idleUnmeasured(candidates: readonly RouteCandidate[], query: RouteQuery, draw: number): number {
  const start = Math.floor(draw * candidates.length);
  for (let step = 0; step < candidates.length; step += 1) {
    const index = (start + step) % candidates.length;
    const candidate = candidates[index] as RouteCandidate;
    if (canServe(candidate, query) && !isMeasured(candidate) && candidate.load < candidate.slots) return index;
  }
  return -1;
}

/**
 * Of those as good as the best: this end's own engine, else the holder of the prefix, else the less busy of two that are
 * drawn, so that a thousand requesters with one view don't stampede one peer.
 */
function amongEquals(
  candidates: readonly RouteCandidate[],
  query: RouteQuery,
  {
    best,
    bestMs,
    bestMeets,
    bestMeasured,
  }: {
    best: number;
    bestMs: number;
    bestMeets: boolean;
    bestMeasured: boolean;
  },
): number {
  const equals: number[] = [];
  let prefixHolder = -1;
  for (let index = 0; index < candidates.length; index += 1) {
    const candidate = candidates[index] as RouteCandidate;
    if (!canServe(candidate, query) || isMeasured(candidate) !== bestMeasured) continue;
    if ((bestMeasured && meetsTarget(candidate, query)) !== bestMeets) continue;
    const ms = expectedMs(candidate, query.outputTokens);
    if (ms <= bestMs * NOISE_FACTOR) {
      if (candidate.local) return index;
      equals.push(index);
    }
    if (candidate.holdsPrefix && ms <= bestMs * PREFIX_FACTOR) prefixHolder = index;
  }
  if (prefixHolder !== -1) return prefixHolder;
  if (equals.length < 2) return best;
  const first = Math.floor(query.draws[1] * equals.length);
  const second = (first + 1 + Math.floor(query.draws[0] * (equals.length - 1))) % equals.length;
  const one = equals[first] as number;
  const other = equals[second] as number;
  return busyness(candidates[other]) < busyness(candidates[one]) ? other : one;
}

function busyness(candidate: RouteCandidate | undefined): number {
  return candidate === undefined ? Number.POSITIVE_INFINITY : candidate.load / candidate.slots;
}

function lossOf(
  candidate: RouteCandidate,
  query: RouteQuery,
  ms: number,
  winner: RouteCandidate | undefined,
  winnerMs: number,
): RouteVerdict {
  if (candidate.failed) return 'already-failed';
  if (candidate.draining) return 'draining';
  if (candidate.contextTokens < query.contextTokens) return 'context-too-short';
  if (!isMeasured(candidate)) return 'unmeasured';
  if (winner === undefined) return 'slower';
  if (!isMeasured(winner)) return 'another-tried';
  if (!meetsTarget(candidate, query) && meetsTarget(winner, query)) return 'misses-sla';
  if (ms > winnerMs * NOISE_FACTOR) return 'slower';
  if (winner.local) return 'not-local';
  if (winner.holdsPrefix) return 'holds-no-prefix';
  return 'as-fast-but-busier';
}
