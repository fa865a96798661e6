/** How long to wait as somebody else said it, before it becomes a timer or a header. */
import { MAX_TOLD_WAIT_MS } from './limits.ts';

/** Whole milliseconds up to an hour; undefined for what is no number. */
export function toldWaitMs(told: unknown): number | undefined {
  if (typeof told !== 'number' || Number.isNaN(told)) return undefined;
  return Math.min(Math.max(Math.ceil(told), 0), MAX_TOLD_WAIT_MS);
}
