/**
 * Makes native work that can't be interrupted look interruptible: the waiting ends as soon as the answer is stopped, the
 * work itself runs on to its end (at most one batch) and its result is dropped.
 */
import { MeshError } from '@tabmesh/shared';

export class AnswerStop {
  readonly #signals: readonly AbortSignal[];
  readonly #onAbort = () => this.#reject?.(MeshError.cancelled());
  #reject: ((error: MeshError) => void) | undefined;

  constructor(...signals: AbortSignal[]) {
    this.#signals = signals;
    for (const signal of signals) signal.addEventListener('abort', this.#onAbort);
  }

  get stopped(): boolean {
    return this.#signals.some((signal) => signal.aborted);
  }

  /** @throws MeshError `cancelled` once stopped; else settles like `work`. */
  race<Result>(work: Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      work.then(resolve, reject);
      if (this.stopped) this.#onAbort();
    });
  }

  /** Idempotent. */
  close(): void {
    for (const signal of this.#signals) signal.removeEventListener('abort', this.#onAbort);
  }
}
