import { describe, expect, it, vi } from 'vitest';
import { systemClock } from './system.ts';

describe("the machine's own clock", () => {
  it.each([1e297, 2 ** 31, Number.MAX_VALUE, Number.POSITIVE_INFINITY])(
    'AP106: a timer of %d ms is a long one, and not one that fires at once',
    (delayMs) => {
      vi.useFakeTimers();
      let fired = false;
      const cancel = systemClock.after(delayMs, () => {
        fired = true;
      });
      vi.advanceTimersByTime(86_400_000);
      cancel();
      vi.useRealTimers();
      expect(fired).toBe(false);
    },
  );
});
