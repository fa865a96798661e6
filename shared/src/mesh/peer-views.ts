/** Peers as users of the mesh see them: with a name, the state of the link, and what was measured. */
import type { Links } from '../connection/links.ts';
import { peerName } from '../identity/peer-name.ts';
import { MAX_ROSTER_PEERS } from '../limits.ts';
import { LruMap } from '../lru-map.ts';
import type { Measurements } from '../measurement/measurements.ts';
import type { Clock } from '../ports/clock.ts';
import type { Announcement } from '../protocol/announcement.ts';
import type { ModelId, PeerId } from '../protocol/ids.ts';
import type { Mesh, MeshPeer } from './mesh-interface.ts';
import type { Offers } from './offers.ts';

export interface PeerViewsOptions {
  readonly self: PeerId;
  readonly clock: Clock;
  readonly offers: Offers;
  readonly links: Pick<Links, 'get'>;
  readonly measurements: Measurements;
  isEntry(peerId: PeerId): boolean;
}

export class PeerViews {
  readonly #options: PeerViewsOptions;
  /** A name is a hash, and pages ask for all of them many times a second. */
  readonly #names = new LruMap<PeerId, string>(MAX_ROSTER_PEERS);

  constructor(options: PeerViewsOptions) {
    this.#options = options;
  }

  peers(): MeshPeer[] {
    const { self, offers, links, isEntry } = this.#options;
    return offers.announcements().map((said) => {
      const { peerId } = said;
      const name = this.#nameOf(peerId);
      if (peerId === self) return { peerId, name, announcement: said, linked: true, rttMs: 0 };
      // Pages do not list entries among the peers: nobody gets out of their sight by a word.
      const announcement: Announcement = said.kind === 'entry' && !isEntry(peerId) ? { ...said, kind: 'other' } : said;
      const link = links.get(peerId);
      return { peerId, name, announcement, linked: link !== undefined, rttMs: link?.rttMs ?? null };
    });
  }

  /** Of each peer that a prompt could go to: this end's own samples, else what the peer announced. */
  measurementsOf(model: ModelId): ReturnType<Mesh['measurementsOf']> {
    const { clock, offers, measurements } = this.#options;
    const nowMs = clock.monotonicMs();
    return offers
      .serving(model)
      .filter(({ peer }) => peer.state !== 'draining')
      .map(({ peer: { peerId }, served }) => ({
        peerId,
        measured: measurements.measured(peerId, model, nowMs) ?? served.measured,
      }));
  }

  #nameOf(peerId: PeerId): string {
    const name = this.#names.get(peerId) ?? peerName(peerId);
    this.#names.set(peerId, name);
    return name;
  }
}
