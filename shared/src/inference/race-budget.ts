/**
 * How many answers may be asked of a second peer at the same time: a share of all, saved up to a few, so that races cost
 * the mesh a bounded part of its work however late its peers are.
 */
const SHARE = 0.05;
const MOST_SAVED = 3;

export class RaceBudget {
  #saved = 1;

  /** An answer was asked for. */
  earn(): void {
    this.#saved = Math.min(MOST_SAVED, this.#saved + SHARE);
  }

  /** False when the share is used up. */
  spend(): boolean {
    if (this.#saved < 1) return false;
    this.#saved -= 1;
    return true;
  }
}
