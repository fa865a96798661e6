/**
 * Writes the newest version of one growing thing: at once when nothing was written for a while, else when the interval
 * is over. Versions in between are skipped, the last one never is.
 */
import type { Clock } from '@tabmesh/shared';

export interface LatestWriter<Value> {
  /** May be written later, or never if a newer one comes. */
  put(value: Value): void;
  /** Is written now. */
  finish(value: Value): void;
  /** Drops what waits. */
  close(): void;
}

export function createLatestWriter<Value>(
  write: (value: Value) => void,
  intervalMs: number,
  clock: Clock,
): LatestWriter<Value> {
  let waiting: { readonly value: Value } | undefined;
  let cancelTimer: (() => void) | undefined;

  const onInterval = () => {
    cancelTimer = undefined;
    if (waiting !== undefined) writeNow(waiting.value);
  };
  const writeNow = (value: Value) => {
    waiting = undefined;
    cancelTimer = clock.after(intervalMs, onInterval);
    write(value);
  };
  const close = () => {
    waiting = undefined;
    cancelTimer?.();
    cancelTimer = undefined;
  };
  return {
    put(value) {
      if (cancelTimer === undefined) writeNow(value);
      else waiting = { value };
    },
    finish(value) {
      close();
      write(value);
    },
    close,
  };
}
