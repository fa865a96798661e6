/** The router's verdict on a peer, in the words of the table under an answer. */
import type { RouteVerdict } from '@tabmesh/shared';

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
