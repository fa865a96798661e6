/**
 * Whether the mesh is fast enough for a model (contract §5): asked before every API request, shown in its headers and in
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
  const measured = candidates.filter(isMeasured);
  const status = statusOf(candidates.length, measured, SLA_TARGETS[tier]);
  return {
    status,
    passes: status === 'meets-sla' || (status === 'no-measurements' && tier === 'experimental'),
    tier,
    candidates: candidates.length,
    bestTtftMs: measured.length === 0 ? null : Math.min(...measured.map(({ ttftMs }) => ttftMs)),
    bestTokensPerSecond:
      measured.length === 0 ? null : Math.max(...measured.map(({ tokensPerSecond }) => tokensPerSecond)),
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

function statusOf(peers: number, measured: readonly SlaFigures[], target: SlaTarget | null): SlaStatus {
  if (peers === 0) return 'no-peer-with-model';
  if (measured.length === 0) return 'no-measurements';
  if (target === null) return 'meets-sla';
  const [nearest] = measured
    .map((figures) => missesOf(figures, target))
    .sort((a, b) => a.axes - b.axes || a.shortfall - b.shortfall);
  return nearest?.status ?? 'no-measurements';
}

/** What one peer misses. The shortfall is how many times too slow it is on its worse axis. */
function missesOf({ ttftMs, tokensPerSecond }: SlaFigures, target: SlaTarget) {
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
