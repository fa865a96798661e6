/** Who offers which model: this end's own announcement and all that the roster knows, read as one list. */
import { defaultModel } from '../catalog/catalog.ts';
import { MAX_REMEMBERED_MODELS } from '../limits.ts';
import { LruMap } from '../lru-map.ts';
import type { Announcer } from '../membership/announcer.ts';
import type { Roster } from '../membership/roster.ts';
import { type MeshModel, modelsServedBy, type ServingPeer, servingAmong } from '../membership/served-models.ts';
import type { Announcement, ServedModel } from '../protocol/announcement.ts';
import type { ModelId } from '../protocol/ids.ts';

export interface OffersOptions {
  readonly announcer: Pick<Announcer, 'current'>;
  readonly roster: Pick<Roster, 'announcements' | 'serving'>;
  /** Whether this end serves anything: its own announcement costs more to make than to leave out. */
  servesAnything(): boolean;
}

export class Offers {
  readonly #options: OffersOptions;
  readonly #seen = new LruMap<ModelId, true>(MAX_REMEMBERED_MODELS);

  constructor(options: OffersOptions) {
    this.#options = options;
  }

  /** This end first. */
  announcements(): Announcement[] {
    return [this.#options.announcer.current(), ...this.#options.roster.announcements()];
  }

  /** The same, of those that serve the model. */
  serving(model: ModelId): readonly ServingPeer[] {
    const { announcer, roster, servesAnything } = this.#options;
    const others = roster.serving(model);
    return servesAnything() ? [...servingAmong([announcer.current()], model), ...others] : others;
  }

  models(): MeshModel[] {
    return modelsServedBy(this.announcements());
  }

  /** What an absent model means now, among the offers that fit. */
  defaultModel(isFit: (served: ServedModel) => boolean = () => true): ModelId | undefined {
    const fitting = this.announcements().map((peer) => ({ ...peer, models: peer.models.filter(isFit) }));
    return defaultModel(modelsServedBy(fitting).map(({ id, peers: { length } }) => ({ id, peerCount: length })));
  }

  /** To be called when the roster changed: a model whose last peer left is still a known one. */
  remember(): void {
    for (const { id } of modelsServedBy(this.#options.roster.announcements())) this.#seen.set(id, true);
  }

  wasServed(model: ModelId): boolean {
    return this.#seen.get(model) !== undefined;
  }
}
