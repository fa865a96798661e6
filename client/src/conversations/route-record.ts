/**
 * The router's explanation as it is kept with an answer: names instead of bare ids, because a peer may be gone when
 * somebody asks why, and only the best few, because a mesh of thousands must not be stored with every message.
 */
import type { ExplainedCandidate, PeerId, RouteExplanation } from '@tabmesh/shared';
import { MAX_KEPT_CANDIDATES } from '../limits.ts';

export interface RecordedCandidate extends ExplainedCandidate {
  readonly peerName: string;
}

export interface RouteRecord {
  readonly outputTokens: number;
  readonly candidates: readonly RecordedCandidate[];
  /** Candidates that are not listed. */
  readonly more: number;
}

export function routeRecord(explanation: RouteExplanation, nameOf: (peerId: PeerId) => string): RouteRecord {
  const kept = explanation.candidates.slice(0, MAX_KEPT_CANDIDATES);
  return {
    outputTokens: explanation.outputTokens,
    candidates: kept.map((candidate) => ({
      ...candidate,
      peerName: nameOf(candidate.peerId),
    })),
    more: explanation.candidates.length - kept.length,
  };
}
