/**
 * How many answers may be asked of a second peer at the same time: a share of all, saved up to a few, so that races cost
 * the mesh a bounded part of its work however late its peers are.
 */
const DEFAULT_SHARE = 0.05;
const MOST_SAVED = 3;

export class RaceBudget {
  readonly #share: number;
  #saved: number;

  /** @param share of all answers, 0 to 1; 0: never. */
  constructor(share = DEFAULT_SHARE) {
    this.#share = share;
    this.#saved = share > 0 ? 1 : 0;
  }

  /** An answer was asked for. */
  earn(): void {
    this.#saved = Math.min(MOST_SAVED, this.#saved + this.#share);
  }

  /** False when the share is used up. */
  spend(): boolean {
    if (this.#saved < 1) return false;
    this.#saved -= 1;
    return true;
  }
}
