/**
 * Lets a page that shows everything follow a mesh that changes a hundred times a second: at most one update per tenth of
 * a second, on a frame. A hidden page has no frames and so updates nothing until it is looked at again.
 */
import type { Clock } from '@tabmesh/shared';
import { STATUS_UPDATE_INTERVAL_MS } from '../limits.ts';
import type { FramePort } from '../ui/frame-batch.ts';

export interface StatusSampler {
  /** Something changed. */
  changed(): void;
  close(): void;
}

export function createStatusSampler(update: () => void, frames: FramePort, clock: Clock): StatusSampler {
  let lastMs = Number.NEGATIVE_INFINITY;
  let cancel: (() => void) | undefined;

  const onNextFrame = () => {
    const frame = frames.request(() => {
      cancel = undefined;
      lastMs = clock.monotonicMs();
      update();
    });
    cancel = () => frames.cancel(frame);
  };
  return {
    changed() {
      if (cancel !== undefined) return;
      const waitMs = lastMs + STATUS_UPDATE_INTERVAL_MS - clock.monotonicMs();
      if (waitMs <= 0) onNextFrame();
      else cancel = clock.after(waitMs, onNextFrame);
    },
    close() {
      cancel?.();
      cancel = undefined;
    },
  };
}
