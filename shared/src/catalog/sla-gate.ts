/**
 * Whether the mesh is fast enough for a model: asked before every API request, shown in its headers and in
 * the list of models, and the only thing that opens the way to a fallback provider.
 */
import { type Tier, tierOf } from './catalog.ts';
import { SLA_TARGETS, type SlaTarget } from './sla-targets.ts';

export type SlaStatus =
  | 'meets-sla'
  | 'no-peer-with-model'
  | 'no-measurements'
  | 'ttft-too-high'
  | 'tps-too-low'
  | 'both-too-low';

/** What is known of one peer's speed: medians of the last hour. */
export interface SlaFigures {
  readonly ttftMs: number;
  readonly tokensPerSecond: number;
  readonly sampleCount: number;
}

export interface SlaVerdict {
  readonly status: SlaStatus;
  /** Whether the mesh serves. An experimental model is never gated away while a peer has it, measured or not. */
  readonly passes: boolean;
  readonly tier: Tier;
  /** Peers that serve the model. */
  readonly candidates: number;
  /** The best of any peer, each axis on its own; null when none is measured. */
  readonly bestTtftMs: number | null;
  readonly bestTokensPerSecond: number | null;
}

/**
 * One peer must meet both figures: the fast start of one does not make up for the slow rate of another. When none does,
 * the status says what the peer nearest to the target misses.
 *
 * @param candidates one per peer that serves the model; null where nothing was measured yet.
 */
export function evaluateSla(model: string, candidates: readonly (SlaFigures | null)[]): SlaVerdict {
  const tier = tierOf(model);
  const target = SLA_TARGETS[tier];
  let status: SlaStatus = candidates.length === 0 ? 'no-peer-with-model' : 'no-measurements';
  let nearest: Misses | undefined;
  let bestTtftMs: number | null = null;
  let bestTokensPerSecond: number | null = null;
  for (const figures of candidates) {
    if (!isMeasured(figures)) continue;
    const { ttftMs, tokensPerSecond } = figures;
    if (bestTtftMs === null || ttftMs < bestTtftMs) bestTtftMs = ttftMs;
    if (bestTokensPerSecond === null || tokensPerSecond > bestTokensPerSecond) bestTokensPerSecond = tokensPerSecond;
    if (target === null) {
      status = 'meets-sla';
      continue;
    }
    const misses = missesOf(figures, target);
    if (nearest !== undefined && !isNearer(misses, nearest)) continue;
    nearest = misses;
    status = misses.status;
  }
  return {
    status,
    passes: status === 'meets-sla' || (status === 'no-measurements' && tier === 'experimental'),
    tier,
    candidates: candidates.length,
    bestTtftMs,
    bestTokensPerSecond,
  };
}

/** Figures that no measurement gives count as none: they would make a peer pass by a mistake of its own. */
function isMeasured(figures: SlaFigures | null): figures is SlaFigures {
  return (
    figures !== null &&
    figures.sampleCount > 0 &&
    Number.isFinite(figures.ttftMs) &&
    figures.ttftMs >= 0 &&
    Number.isFinite(figures.tokensPerSecond) &&
    figures.tokensPerSecond >= 0
  );
}

interface Misses {
  readonly axes: number;
  readonly shortfall: number;
  readonly status: SlaStatus;
}

function isNearer(one: Misses, other: Misses): boolean {
  return one.axes < other.axes || (one.axes === other.axes && one.shortfall < other.shortfall);
}

/** What one peer misses. The shortfall is how many times too slow it is on its worse axis. */
function missesOf({ ttftMs, tokensPerSecond }: SlaFigures, target: SlaTarget): Misses {
  const isLate = ttftMs > target.ttftMs;
  const isSlow = tokensPerSecond < target.tokensPerSecond;
  return {
    axes: Number(isLate) + Number(isSlow),
    shortfall: Math.max(ttftMs / target.ttftMs, target.tokensPerSecond / tokensPerSecond),
    status: statusOfMisses(isLate, isSlow),
  };
}

function statusOfMisses(isLate: boolean, isSlow: boolean): SlaStatus {
  if (isLate && isSlow) return 'both-too-low';
  if (isLate) return 'ttft-too-high';
  return isSlow ? 'tps-too-low' : 'meets-sla';
}
