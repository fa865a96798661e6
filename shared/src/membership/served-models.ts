/** The models that can be answered now, over all peers. */
import type { Announcement, ServedModel } from '../protocol/announcement.ts';
import type { ModelId, PeerId } from '../protocol/ids.ts';

export interface MeshModel {
  readonly id: ModelId;
  readonly peers: readonly PeerId[];
  /** The largest that a peer offers. */
  readonly contextTokens: number;
}

/** A peer, and what it announces of one model. */
export interface ServingPeer {
  readonly peer: Announcement;
  readonly served: ServedModel;
}

export function servingAmong(announcements: readonly Announcement[], model: ModelId): ServingPeer[] {
  return announcements.flatMap((peer) => {
    const served = peer.models.find(({ id }) => id === model);
    return served === undefined ? [] : [{ peer, served }];
  });
}

/** Sorted by id. */
export function modelsServedBy(announcements: readonly Announcement[]): MeshModel[] {
  const models = new Map<ModelId, { id: ModelId; peers: PeerId[]; contextTokens: number }>();
  for (const peer of announcements) {
    if (peer.state === 'draining') continue;
    for (const { id, contextTokens } of peer.models) {
      const entry = models.get(id) ?? { id, peers: [], contextTokens: 0 };
      models.set(id, entry);
      entry.peers.push(peer.peerId);
      entry.contextTokens = Math.max(entry.contextTokens, contextTokens);
    }
  }
  return [...models.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** The peers to keep links to: those that announce the fastest models. */
export function fastestServing(announcements: readonly Announcement[], most: number): PeerId[] {
  const rate = (peer: Announcement) => Math.max(...peer.models.map((model) => model.measured?.tokensPerSecond ?? 0));
  return announcements
    .filter((peer) => peer.state === 'ready' && peer.models.length > 0)
    .map((peer) => ({ peerId: peer.peerId, rate: rate(peer) }))
    .sort((a, b) => b.rate - a.rate)
    .slice(0, most)
    .map(({ peerId }) => peerId);
}
