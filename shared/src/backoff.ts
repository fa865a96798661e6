/** Exponential backoff with full jitter over its upper half, so that peers cut off together don't return together. */
import type { Random } from './ports/random.ts';

/** Of dials and engines; who needs others gives them. */
const BOUNDS = { firstMs: 200, longestMs: 30_000 };

/** The pause after the given number of failures in a row (0: the first). */
export function backoffMs(failures: number, random: Random, bounds = BOUNDS): number {
  const ceilingMs = doublingMs(failures, bounds);
  return ceilingMs / 2 + (ceilingMs / 2) * random.float();
}

/** Twice as long with every failure in a row (0: the first), up to the longest. */
export function doublingMs(failures: number, { firstMs, longestMs }: { firstMs: number; longestMs: number }): number {
  return Math.min(longestMs, firstMs * 2 ** Math.min(failures, 20));
}
