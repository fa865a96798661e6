/**
 * The page's end of the worker that colours code: one block after the other, each within a time. Code that takes longer stays
 * as it is, and the worker goes with it.
 */
import type { Clock } from '@tabmesh/shared';
import type { CodeToColour, ColouredCode } from './highlight-worker.ts';

/** Long code takes a slow device 100 ms. */
const MOST_MS = 1_000;
/** The first block waits for the worker's code, which may come over a slow network. */
const MOST_START_MS = 30_000;

export interface ColourWorker {
  send(code: CodeToColour): void;
  end(): void;
}

export type StartColourWorker = (answered: (html: ColouredCode) => void, failed: () => void) => ColourWorker;

export class CodeColours {
  readonly #startWorker: StartColourWorker;
  readonly #clock: Clock;
  #worker: ColourWorker | undefined;
  #heard: { answered(html: ColouredCode): void; failed(): void } | undefined;
  #hasAnswered = false;
  /** Settles when all that was asked for is done. */
  #line: Promise<unknown> = Promise.resolve();

  constructor(startWorker: StartColourWorker, clock: Clock) {
    this.#startWorker = startWorker;
    this.#clock = clock;
  }

  /** Undefined when it stays as it is. Never rejects. */
  colour(code: CodeToColour): Promise<ColouredCode> {
    const coloured = this.#line.then(() => this.#ask(code));
    this.#line = coloured;
    return coloured;
  }

  #ask(code: CodeToColour): Promise<ColouredCode> {
    return new Promise((resolve) => {
      const failed = () => {
        this.#worker?.end();
        this.#worker = undefined;
        this.#hasAnswered = false;
        cancelTimer();
        resolve(undefined);
      };
      const answered = (html: ColouredCode) => {
        this.#hasAnswered = true;
        cancelTimer();
        resolve(html);
      };
      const cancelTimer = this.#clock.after(this.#hasAnswered ? MOST_MS : MOST_START_MS, failed);
      this.#heard = { answered, failed };
      this.#worker ??= this.#startWorker(
        (html) => this.#heard?.answered(html),
        () => this.#heard?.failed(),
      );
      this.#worker.send(code);
    });
  }
}
