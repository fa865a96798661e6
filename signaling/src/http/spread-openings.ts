/**
 * Answers that run go before answers that begin: to open one takes half a millisecond, and two hundred that are asked for in
 * one moment would hold the tokens of all others for a tenth of a second. So a turn of the event loop opens as many as fit
 * into a few milliseconds, and the rest wait for the next turn, behind the tokens that have come meanwhile.
 */
import type { FastifyInstance } from 'fastify';
import { OPENINGS_PER_TURN_MS } from '../limits/limits.ts';

/** Before the routes are registered. */
export function spreadOpenings(app: FastifyInstance): void {
  const openings = new Openings({ nowMs: () => performance.now(), nextTurn: (run) => void setImmediate(run) });
  app.addHook('onRoute', (route) => {
    if (![route.method].flat().includes('POST')) return;
    route.onRequest = [(_request, _reply, done) => openings.begin(done), ...[route.onRequest ?? []].flat()];
  });
}

/** However little each of them takes. */
const MOST_OF_A_TURN = 16;

export interface OpeningsOptions {
  nowMs(): number;
  /** Behind everything that has come by then. */
  nextTurn(run: () => void): void;
}

export class Openings {
  readonly #options: OpeningsOptions;
  readonly #waiting: (() => void)[] = [];
  #isOpening = false;
  /** When the first one of this turn began; undefined when there was none. */
  #beganMs: number | undefined;

  constructor(options: OpeningsOptions) {
    this.#options = options;
  }

  /** Calls back at once, or in a later turn. */
  begin(open: () => void): void {
    if (this.#waiting.length === 0 && this.#hasTime()) open();
    else {
      this.#waiting.push(open);
      if (!this.#isOpening) this.#openLater();
    }
  }

  #hasTime(): boolean {
    const { nowMs, nextTurn } = this.#options;
    if (this.#beganMs !== undefined) return nowMs() - this.#beganMs < OPENINGS_PER_TURN_MS;
    this.#beganMs = nowMs();
    nextTurn(() => {
      this.#beganMs = undefined;
    });
    return true;
  }

  /** Each in a call of its own, so that what follows from one is done, and counted, before the next. */
  #openLater(): void {
    const { nextTurn } = this.#options;
    this.#isOpening = true;
    for (let left = Math.min(MOST_OF_A_TURN, this.#waiting.length); left > 0; left -= 1) {
      nextTurn(() => {
        if (this.#hasTime()) this.#waiting.shift()?.();
      });
    }
    nextTurn(() => {
      this.#isOpening = false;
      if (this.#waiting.length > 0) this.#openLater();
    });
  }
}
