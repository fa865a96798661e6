/**
 * A clock that goes on in a hidden tab. Chrome runs the timers of a hidden page once a second, and once a minute when it
 * has no open data channel: then a tab that lends would fall out of the roster, where announcements last half a minute.
 * Timers of a worker are left alone.
 */
import type { Clock } from '@tabmesh/shared';

export type TimerCommand =
  | { readonly type: 'set'; readonly id: number; readonly delayMs: number }
  | { readonly type: 'clear'; readonly id: number };

/** A worker that answers each `set` with its id when the time has come. */
export interface TimerWorker {
  postMessage(command: TimerCommand): void;
  addEventListener(type: 'message', listener: (event: { readonly data: number }) => void): void;
}

export interface LifecycleClockOptions {
  /** The page's own clock. */
  readonly clock: Clock;
  readonly document: { readonly visibilityState: string };
  /** Called when the first timer is set in a hidden page. */
  openWorker(): TimerWorker;
}

export function createLifecycleClock({ clock, document, openWorker }: LifecycleClockOptions): Clock {
  const due = new Map<number, () => void>();
  let worker: TimerWorker | undefined;
  let lastId = 0;

  function opened(): TimerWorker {
    if (worker !== undefined) return worker;
    worker = openWorker();
    worker.addEventListener('message', ({ data: id }) => due.get(id)?.());
    return worker;
  }

  return {
    wallMs: () => clock.wallMs(),
    monotonicMs: () => clock.monotonicMs(),
    soon: (callback) => clock.soon(callback),
    after(delayMs, callback) {
      if (document.visibilityState !== 'hidden') return clock.after(delayMs, callback);
      // The page's own timer stays beside it, for a browser that lets no worker start.
      lastId += 1;
      const id = lastId;
      const cancel = () => {
        cancelInPage();
        if (due.delete(id)) opened().postMessage({ type: 'clear', id });
      };
      const run = () => {
        cancel();
        callback();
      };
      const cancelInPage = clock.after(delayMs, run);
      due.set(id, run);
      opened().postMessage({ type: 'set', id, delayMs });
      return cancel;
    },
  };
}
