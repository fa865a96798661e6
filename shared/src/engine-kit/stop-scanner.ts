/**
 * Ends a text before the first of its stop strings, holding back an ending that may still become one. For engines that
 * have no stop strings of their own. Each character is looked at once for each stop string, by the automaton of Knuth, Morris
 * and Pratt: an asker chooses the strings, and comparing every ending with every beginning took 8 ms a token.
 */
export class StopScanner {
  readonly #stops: readonly Stop[];
  #held = '';
  #met: string | undefined;

  constructor(stops: readonly string[]) {
    this.#stops = stops.map((text) => ({ text, fallbacks: fallbacksOf(text), matched: 0 }));
  }

  /** The stop string that was met. */
  get met(): string | undefined {
    return this.#met;
  }

  get isHolding(): boolean {
    return this.#held !== '';
  }

  /** The text that may go out now, and whether a stop string was met (then nothing follows). */
  push(text: string): { readonly text: string; readonly stopped: boolean } {
    if (this.#stops.length === 0) return { text, stopped: false };
    const pending = this.#held + text;
    const stopAt = this.#firstCompleted(text, this.#held.length);
    if (stopAt !== undefined) {
      this.#held = '';
      this.#met = pending.slice(stopAt.from, stopAt.to);
      return { text: pending.slice(0, stopAt.from), stopped: true };
    }
    const keep = Math.max(...this.#stops.map(({ matched }) => matched));
    this.#held = pending.slice(pending.length - keep);
    return { text: pending.slice(0, pending.length - keep), stopped: false };
  }

  /** What was held back, once the answer has ended without a stop string. */
  flush(): string {
    const held = this.#held;
    this.#held = '';
    for (const stop of this.#stops) stop.matched = 0;
    return held;
  }

  /**
   * Where the stop string begins and ends that is complete first (the longest of those that end together): the one choice that does
   * not depend on how the text was split.
   */
  #firstCompleted(text: string, heldChars: number): { readonly from: number; readonly to: number } | undefined {
    for (let at = 0; at < text.length; at += 1) {
      let longest = 0;
      for (const stop of this.#stops) {
        advance(stop, text.charCodeAt(at));
        if (stop.matched === stop.text.length) longest = Math.max(longest, stop.matched);
      }
      const to = heldChars + at + 1;
      if (longest > 0) return { from: to - longest, to };
    }
    return undefined;
  }
}

interface Stop {
  readonly text: string;
  /** For each beginning of the text, the longest shorter one that it ends with. */
  readonly fallbacks: Uint16Array;
  /** Characters of the text with which what was read ends. */
  matched: number;
}

function advance(stop: Stop, code: number): void {
  const { text, fallbacks } = stop;
  while (stop.matched > 0 && (stop.matched === text.length || text.charCodeAt(stop.matched) !== code)) {
    stop.matched = fallbacks[stop.matched - 1] ?? 0;
  }
  if (text.charCodeAt(stop.matched) === code) stop.matched += 1;
}

function fallbacksOf(text: string): Uint16Array {
  const fallbacks = new Uint16Array(text.length);
  for (let at = 1, matched = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    while (matched > 0 && text.charCodeAt(matched) !== code) matched = fallbacks[matched - 1] ?? 0;
    if (text.charCodeAt(matched) === code) matched += 1;
    fallbacks[at] = matched;
  }
  return fallbacks;
}
