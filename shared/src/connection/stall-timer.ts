/** Notices that what waits does not move. It looks four times in a time-out, and only while something waits. */
import type { Clock } from '../ports/clock.ts';

const LOOKS = 4;

export interface StallTimerOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  isWaiting(): boolean;
  /** Changes whenever something moves. */
  position(): number;
  onStall(): void;
}

export class StallTimer {
  readonly #options: StallTimerOptions;
  #cancel: (() => void) | undefined;
  #position = 0;
  #movedMs = 0;

  constructor(options: StallTimerOptions) {
    this.#options = options;
  }

  /** Something waits from now on. Does nothing while it runs. */
  start(): void {
    if (this.#cancel !== undefined) return;
    this.#position = this.#options.position();
    this.#movedMs = this.#options.clock.monotonicMs();
    this.#schedule();
  }

  /** Idempotent. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #schedule(): void {
    const { clock, timeoutMs } = this.#options;
    this.#cancel = clock.after(timeoutMs / LOOKS, () => {
      this.#cancel = undefined;
      this.#look();
    });
  }

  #look(): void {
    const { clock, timeoutMs, isWaiting, position, onStall } = this.#options;
    if (!isWaiting()) return;
    const nowMs = clock.monotonicMs();
    const here = position();
    if (here !== this.#position) {
      this.#position = here;
      this.#movedMs = nowMs;
    } else if (nowMs - this.#movedMs >= timeoutMs) {
      onStall();
      return;
    }
    this.#schedule();
  }
}
