/** The machine's own time and randomness: the only place in the core that touches them. */
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';

/** Timers take a longer time, 24 days, for none at all. */
const LONGEST_TIMER_MS = 0x7fff_ffff;

/** Never keeps a Node process alive: whatever must, holds a socket. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    const timer: unknown = setTimeout(callback, Math.min(delayMs, LONGEST_TIMER_MS));
    if (typeof timer === 'object' && timer !== null && 'unref' in timer && typeof timer.unref === 'function') {
      timer.unref();
    }
    return () => clearTimeout(timer as ReturnType<typeof setTimeout>);
  },
  // Node has a turn for it, behind all sockets that can be read; pages have none that comes as fast.
  soon: (callback) => behindSockets(callback),
};

const { setImmediate } = globalThis as { setImmediate?: (callback: () => void) => unknown };
// Browsers want to call theirs as a function of the window.
const behindSockets = setImmediate ?? ((callback: () => void) => queueMicrotask(callback));

/** Drawn ahead for ids: one call costs as much for sixteen bytes as for all of these. */
const drawn = new Uint8Array(1024);
let used = drawn.length;

export const systemRandom: Random = {
  bytes(count) {
    if (count > drawn.length) return crypto.getRandomValues(new Uint8Array(count));
    if (used + count > drawn.length) {
      crypto.getRandomValues(drawn);
      used = 0;
    }
    const bytes = drawn.slice(used, used + count);
    // What is handed out may become a key.
    drawn.fill(0, used, used + count);
    used += count;
    return bytes;
  },
  float: () => Math.random(),
};
