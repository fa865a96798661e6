/**
 * How many members one network may have. Keys cost nothing, and every member hears of every newcomer: so some hundreds of
 * them from one address would take the time of all. Those of other networks find their places free.
 */
import { MeshError, type PeerId } from '@tabmesh/shared';

export class NetworkPlaces {
  readonly #most: number;
  readonly #networks = new Map<string, Set<PeerId>>();
  readonly #members = new Map<PeerId, string>();

  constructor(most: number) {
    this.#most = most;
  }

  /**
   * Before anything else is kept of the peer. A key that joins again needs no second place.
   * @throws MeshError `mesh_busy` when the network has no place left
   */
  check(peerId: PeerId, network: string): void {
    const there = this.#networks.get(network);
    if (there !== undefined && there.size >= this.#most && !there.has(peerId)) {
      throw new MeshError(
        'mesh_busy',
        `This network has ${there.size} members here, as many as one may have. Close one of them, or have the entry started with --members-per-network ${2 * this.#most}.`,
      );
    }
  }

  take(peerId: PeerId, network: string): void {
    this.release(peerId);
    const there = this.#networks.get(network) ?? new Set();
    this.#networks.set(network, there.add(peerId));
    this.#members.set(peerId, network);
  }

  release(peerId: PeerId): void {
    const network = this.#members.get(peerId);
    if (network === undefined) return;
    this.#members.delete(peerId);
    const there = this.#networks.get(network);
    there?.delete(peerId);
    if (there?.size === 0) this.#networks.delete(network);
  }
}
