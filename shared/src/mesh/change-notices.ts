/** Tells listeners that something changed, at most once in a while however much did. */
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';

/** Pages draw at most at this rate; a roster of thousands changes far more often. */
const NOTICE_INTERVAL_MS = 50;

export class ChangeNotices {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #listeners = new Set<() => void>();
  #cancel: (() => void) | undefined;

  constructor(options: { clock: Clock; logger: Logger }) {
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** Returns the unsubscribe. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Soon every listener is called once; one that throws stops no other. */
  notify(): void {
    this.#cancel ??= this.#clock.after(NOTICE_INTERVAL_MS, () => {
      this.#cancel = undefined;
      for (const listener of [...this.#listeners]) {
        try {
          listener();
        } catch (error) {
          this.#logger.error({ error }, 'A listener of the mesh failed.');
        }
      }
    });
  }

  close(): void {
    this.#cancel?.();
    this.#listeners.clear();
  }
}
