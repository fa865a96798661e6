/** What each tier must reach to pass the gate (GT): TTFT p50 at most, decode rate at least. */
import type { Tier } from './catalog.ts';

export interface SlaTarget {
  readonly ttftMs: number;
  readonly tokensPerSecond: number;
}

/** null: never gated away. */
export const SLA_TARGETS: Readonly<Record<Tier, SlaTarget | null>> = {
  'daily-driver': { ttftMs: 3_000, tokensPerSecond: 8 },
  capacity: { ttftMs: 15_000, tokensPerSecond: 0.8 },
  experimental: null,
};
