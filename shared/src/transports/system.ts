/** The machine's own time and randomness: the only place in the core that touches them. */
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';

/** Never keeps a Node process alive: whatever must, holds a socket. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    const timer: unknown = setTimeout(callback, delayMs);
    if (typeof timer === 'object' && timer !== null && 'unref' in timer && typeof timer.unref === 'function') {
      timer.unref();
    }
    return () => clearTimeout(timer as ReturnType<typeof setTimeout>);
  },
};

export const systemRandom: Random = {
  bytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
  float: () => Math.random(),
};
