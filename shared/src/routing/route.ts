/**
 * Which peer answers: a pure function of its arguments (contract §7).
 */
import type { PeerId } from '../protocol/ids.ts';

/** Why a candidate was not chosen. */
export type RouteVerdict =
  | 'chosen'
  | 'slower'
  | 'within-noise-but-busier'
  | 'draining'
  | 'context-too-short'
  | 'unmeasured'
  | 'misses-sla'
  | 'already-failed';

export interface ExplainedCandidate {
  readonly peerId: PeerId;
  readonly verdict: RouteVerdict;
  /** null: not measured yet. All in ms; `expectedMs` is the sum the choice was made by. */
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
