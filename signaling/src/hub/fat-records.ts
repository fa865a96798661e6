/**
 * Keeps the roster lean. Every newcomer is sent all of it, and a record may have 64 KB: what is larger than most is for few
 * members of each network.
 */
import { MeshError, type PeerId, type SignedRecord } from '@tabmesh/shared';
import { FAT_BYTES, FAT_BYTES_OF_NETWORK, LEAN_RECORD_BYTES } from '../limits/limits.ts';

interface Held {
  readonly network: string;
  readonly bytes: number;
}

export class FatRecords {
  readonly #held = new Map<PeerId, Held>();
  readonly #ofNetworks = new Map<string, number>();
  #bytes = 0;

  /**
   * In the place of what the peer has had.
   * @throws MeshError `mesh_busy` when there is no room; what it had stays
   */
  take(peerId: PeerId, network: string, { body }: SignedRecord): void {
    const bytes = body.length > LEAN_RECORD_BYTES ? body.length : 0;
    const before = this.#held.get(peerId);
    const grownBytes = bytes - (before?.bytes ?? 0);
    const sameNetwork = before === undefined || before.network === network;
    const ofNetwork = (this.#ofNetworks.get(network) ?? 0) + (sameNetwork ? grownBytes : bytes);
    if (bytes > 0 && grownBytes > 0 && (ofNetwork > FAT_BYTES_OF_NETWORK || this.#bytes + grownBytes > FAT_BYTES)) {
      throw new MeshError(
        'mesh_busy',
        `The announcement has ${Math.ceil(bytes / 1024)} KB, and there is no room for more than ${LEAN_RECORD_BYTES / 1024}. Serve fewer models here, or join another entry.`,
      );
    }
    this.release(peerId);
    if (bytes > 0) this.#count(peerId, { network, bytes });
  }

  release(peerId: PeerId): void {
    const held = this.#held.get(peerId);
    if (held === undefined) return;
    this.#held.delete(peerId);
    this.#add(held.network, -held.bytes);
  }

  #count(peerId: PeerId, held: Held): void {
    this.#held.set(peerId, held);
    this.#add(held.network, held.bytes);
  }

  #add(network: string, bytes: number): void {
    this.#bytes += bytes;
    const ofNetwork = (this.#ofNetworks.get(network) ?? 0) + bytes;
    if (ofNetwork === 0) this.#ofNetworks.delete(network);
    else this.#ofNetworks.set(network, ofNetwork);
  }
}
