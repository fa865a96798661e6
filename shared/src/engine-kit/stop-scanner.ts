/**
 * Ends a text before the first of its stop strings, holding back an ending that may still become one. For engines that
 * have no stop strings of their own.
 */
export class StopScanner {
  readonly #stops: readonly string[];
  #held = '';

  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  /** The text that may go out now, and whether a stop string was met (then nothing follows). */
  push(text: string): { readonly text: string; readonly stopped: boolean } {
    if (this.#stops.length === 0) return { text, stopped: false };
    const pending = this.#held + text;
    const stopAt = firstCompleted(pending, this.#stops);
    if (stopAt !== undefined) {
      this.#held = '';
      return { text: pending.slice(0, stopAt), stopped: true };
    }
    const keep = Math.max(...this.#stops.map((stop) => beginningAtEnd(pending, stop)));
    this.#held = pending.slice(pending.length - keep);
    return { text: pending.slice(0, pending.length - keep), stopped: false };
  }

  /** What was held back, once the answer has ended without a stop string. */
  flush(): string {
    const held = this.#held;
    this.#held = '';
    return held;
  }
}

/**
 * Where the stop string begins that is complete first (the longest of those that end together): the one choice that does
 * not depend on how the text was split.
 */
function firstCompleted(text: string, stops: readonly string[]): number | undefined {
  let start: number | undefined;
  let end = Number.POSITIVE_INFINITY;
  for (const stop of stops) {
    const index = text.indexOf(stop);
    if (index === -1) continue;
    const stopEnd = index + stop.length;
    if (stopEnd > end || (stopEnd === end && start !== undefined && index >= start)) continue;
    start = index;
    end = stopEnd;
  }
  return start;
}

/** Length of the longest proper beginning of `stop` with which `text` ends. */
function beginningAtEnd(text: string, stop: string): number {
  for (let length = Math.min(stop.length - 1, text.length); length > 0; length -= 1) {
    if (text.endsWith(stop.slice(0, length))) return length;
  }
  return 0;
}
