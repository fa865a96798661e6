/**
 * The router's explanation as it is kept with an answer: names instead of bare ids, because a peer may be gone when
 * somebody asks why, and only the best few, because a mesh of thousands must not be stored with every message.
 */
import type { ExplainedCandidate, PeerId, RouteExplanation, RouteVerdict } from '@tabmesh/shared';

export interface RecordedCandidate extends ExplainedCandidate {
  readonly peerName: string;
}

export interface RouteRecord {
  readonly outputTokens: number;
  readonly candidates: readonly RecordedCandidate[];
  /** Candidates that are not listed. */
  readonly more: number;
}

const KEPT_CANDIDATES = 8;

export function routeRecord(explanation: RouteExplanation, nameOf: (peerId: PeerId) => string): RouteRecord {
  const kept = explanation.candidates.slice(0, KEPT_CANDIDATES);
  return {
    outputTokens: explanation.outputTokens,
    candidates: kept.map((candidate) => ({
      ...candidate,
      peerName: nameOf(candidate.peerId),
    })),
    more: explanation.candidates.length - kept.length,
  };
}

const VERDICTS: Record<RouteVerdict, string> = {
  chosen: 'chosen',
  slower: 'slower',
  'as-fast-but-busier': 'as fast, but busier',
  'holds-no-prefix': 'does not hold this conversation',
  'not-local': 'as good, but not in this tab',
  unmeasured: 'not measured yet',
  'another-tried': 'measured already: an unmeasured peer was tried',
  'misses-sla': 'too slow for its tier',
  draining: 'leaving',
  'context-too-short': 'context too short',
  'already-failed': 'failed or was late just now',
};

export function verdictText(verdict: RouteVerdict): string {
  return VERDICTS[verdict];
}
