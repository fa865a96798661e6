/**
 * Gathers what arrives between two frames, so that a model at a thousand tokens per second paints sixty times and not a
 * thousand. A hidden page has no frames: there a timer takes over, else nothing would be stored until it is shown again.
 */
import type { Clock } from '@tabmesh/shared';
import { HIDDEN_PAGE_FLUSH_INTERVAL_MS } from '../limits.ts';

export interface FrameBatch<Item> {
  push(item: Item): void;
  /** Hands over what has gathered, now. */
  flush(): void;
}

export interface FramePort {
  request(callback: () => void): number;
  cancel(frame: number): void;
}

export function createFrameBatch<Item>(
  handle: (items: readonly Item[]) => void,
  frames: FramePort,
  clock: Clock,
): FrameBatch<Item> {
  let items: Item[] = [];
  let cancel: (() => void) | undefined;

  const flush = () => {
    cancel?.();
    cancel = undefined;
    const ready = items;
    items = [];
    if (ready.length > 0) handle(ready);
  };
  const schedule = () => {
    const frame = frames.request(flush);
    const cancelTimer = clock.after(HIDDEN_PAGE_FLUSH_INTERVAL_MS, flush);
    cancel = () => {
      frames.cancel(frame);
      cancelTimer();
    };
  };
  return {
    push(item) {
      items.push(item);
      if (cancel === undefined) schedule();
    },
    flush,
  };
}
