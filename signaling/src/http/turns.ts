/**
 * Work of milliseconds that strangers can ask for takes turns: one piece at a time, of each client in its turn, and after
 * each a pause in proportion. So all of it together takes a bounded share of the event loop, which answers the others in
 * between, however much was asked for at once.
 */
import { LARGE_TURN_PAUSE_MS, LARGE_WORK_SHARE } from '../limits/limits.ts';

export interface TurnsOptions {
  nowMs(): number;
  pause(ms: number): Promise<void>;
}

export class Turns {
  readonly #options: TurnsOptions;
  /** In the order in which they come next. */
  readonly #clients = new Map<string, (() => void)[]>();
  #isRunning = false;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** Resolves when it is the client's turn. The work is what follows at once. */
  take(client: string): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#clients.get(client);
      if (waiting === undefined) this.#clients.set(client, [resolve]);
      else waiting.push(resolve);
      if (!this.#isRunning) void this.#run();
    });
  }

  async #run(): Promise<void> {
    const { nowMs, pause } = this.#options;
    this.#isRunning = true;
    for (let begin = this.#next(); begin !== undefined; begin = this.#next()) {
      const beganMs = nowMs();
      begin();
      // The work, and whatever came in the same turn of the event loop.
      await new Promise((resolve) => setImmediate(resolve));
      const workMs = nowMs() - beganMs;
      await pause(Math.min(LARGE_TURN_PAUSE_MS, workMs * (1 / LARGE_WORK_SHARE - 1)));
    }
    this.#isRunning = false;
  }

  #next(): (() => void) | undefined {
    const [first] = this.#clients;
    if (first === undefined) return undefined;
    const [client, waiting] = first;
    const begin = waiting.shift();
    this.#clients.delete(client);
    if (waiting.length > 0) this.#clients.set(client, waiting);
    return begin;
  }
}
