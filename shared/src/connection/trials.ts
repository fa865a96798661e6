/** Of several things of which one is to lead to a peer: which were tried in vain since one led there, and which did last. */
import { MAX_REMEMBERED_TRIALS } from '../limits.ts';
import { LruMap } from '../lru-map.ts';
import type { PeerId } from '../protocol/ids.ts';

export class Trials<Choice> {
  readonly #failed = new Map<PeerId, Set<Choice>>();
  /** Strangers may open links, too, so it is bounded. */
  readonly #worked = new LruMap<PeerId, Choice>(MAX_REMEMBERED_TRIALS);

  /** The one that led there last, else the first that was not tried in vain; undefined when all were. */
  untried(peerId: PeerId, choices: readonly Choice[]): Choice | undefined {
    const worked = this.#worked.peek(peerId);
    if (worked !== undefined && choices.includes(worked)) return worked;
    const failed = this.#failed.get(peerId);
    return choices.find((choice) => !failed?.has(choice));
  }

  failed(peerId: PeerId, choice: Choice): void {
    if (this.#worked.peek(peerId) === choice) this.#worked.delete(peerId);
    this.#failed.set(peerId, (this.#failed.get(peerId) ?? new Set()).add(choice));
  }

  worked(peerId: PeerId, choice: Choice): void {
    this.#failed.delete(peerId);
    this.#worked.set(peerId, choice);
  }

  forget(peerId: PeerId): void {
    this.#failed.delete(peerId);
    this.#worked.delete(peerId);
  }
}
