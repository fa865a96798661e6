/**
 * Which peers each source alone vouches for, so that none fills the roster with its own: what it has beyond half of it
 * makes room for the peers of others.
 */
import type { PeerId, SourceId } from '../protocol/ids.ts';

export class RosterShares {
  readonly #alone = new Map<SourceId, Set<PeerId>>();
  readonly #sourceOf = new Map<PeerId, SourceId>();

  /** Whenever another source vouches for the peer, or one no longer does. */
  update(peerId: PeerId, vouchers: ReadonlyMap<SourceId, unknown>): void {
    const [only] = vouchers.size === 1 ? vouchers.keys() : [];
    const before = this.#sourceOf.get(peerId);
    if (before === only) return;
    if (before !== undefined) {
      this.#alone.get(before)?.delete(peerId);
      this.#sourceOf.delete(peerId);
    }
    if (only === undefined) return;
    this.#sourceOf.set(peerId, only);
    this.#alone.set(only, (this.#alone.get(only) ?? new Set()).add(peerId));
  }

  /** The peers of the source, if there is one beside this, that has more of its own than `most`; newest last. */
  beyond(most: number, beside: SourceId): ReadonlySet<PeerId> | undefined {
    for (const [source, peers] of this.#alone) if (source !== beside && peers.size > most) return peers;
    return undefined;
  }

  clear(): void {
    this.#alone.clear();
    this.#sourceOf.clear();
  }
}
