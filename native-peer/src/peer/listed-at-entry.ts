/** Whether others can find a model, asked of the entry: what a peer announces reaches the entry a moment later. */
import { MeshError, type ModelId, type PeerId, pause, systemClock } from '@tabmesh/shared';
import { LISTING_POLL_MS } from '../limits.ts';

export interface Listing {
  readonly entryUrl: string;
  readonly peerId: PeerId;
  readonly model: ModelId;
}

/**
 * True once the entry's status lists the peer with the model; false when `patience` is over before.
 * @throws MeshError `cancelled`
 */
export async function listedAtEntry(listing: Listing, patience: AbortSignal, signal: AbortSignal): Promise<boolean> {
  const either = AbortSignal.any([patience, signal]);
  while (!either.aborted) {
    if (await isListed(listing, either)) return true;
    await pause(systemClock, LISTING_POLL_MS, either);
  }
  if (signal.aborted) throw MeshError.cancelled();
  return false;
}

/** The part of `GET /api/status` that counts here. */
interface Status {
  readonly models: readonly { readonly id: string; readonly peers: readonly string[] }[];
}

/** An entry of another version may answer anything, and one that is restarted nothing. */
async function isListed({ entryUrl, peerId, model }: Listing, signal: AbortSignal): Promise<boolean> {
  try {
    const response = await fetch(new URL('/api/status', entryUrl), { signal });
    const { models }: Status = await response.json();
    return models.some(({ id, peers }) => id === model && peers.includes(peerId));
  } catch {
    return false;
  }
}
