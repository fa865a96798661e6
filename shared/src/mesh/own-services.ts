/** What this end's engines look like to others: each with its load, what was measured of it, and its native baseline. */
import type { Measurements } from '../measurement/measurements.ts';
import type { Clock } from '../ports/clock.ts';
import type { Announcement, Baseline, ServedModel } from '../protocol/announcement.ts';
import type { ModelId, PeerId } from '../protocol/ids.ts';
import type { Provider } from '../providing/provider.ts';

export interface OwnServicesOptions {
  readonly self: PeerId;
  readonly clock: Clock;
  readonly provider: Pick<Provider, 'services'>;
  readonly measurements: Measurements;
}

export class OwnServices {
  readonly #options: OwnServicesOptions;
  readonly #baselines = new Map<ModelId, { baseline: Baseline; atMs: number }>();

  constructor(options: OwnServicesOptions) {
    this.#options = options;
  }

  setBaseline(model: ModelId, baseline: Baseline | null): void {
    if (baseline === null) this.#baselines.delete(model);
    else this.#baselines.set(model, { baseline, atMs: this.#options.clock.monotonicMs() });
  }

  /** Whoever drains all that it has is leaving, as others see it. */
  state(): Announcement['state'] {
    const services = this.#options.provider.services();
    return services.length > 0 && services.every(({ state }) => state === 'draining') ? 'draining' : 'ready';
  }

  models(): ServedModel[] {
    const { self, clock, provider, measurements } = this.#options;
    return provider
      .services()
      .filter((service) => service.state === 'ready')
      .map(({ engine: { model }, inFlight, queued }) => ({
        id: model.id,
        classId: model.classId,
        family: model.family,
        backend: model.backend.slice(0, 120),
        contextTokens: model.contextTokens,
        slots: model.slots,
        sizeBytes: model.sizeBytes,
        features: [...model.features],
        inFlight,
        queued,
        measured: measurements.measured(self, model.id, clock.monotonicMs()),
        baseline: this.#baselineOf(model.id),
      }));
  }

  #baselineOf(model: ModelId): Baseline | null {
    const known = this.#baselines.get(model);
    if (known === undefined) return null;
    const { baseline, atMs } = known;
    return { ...baseline, ageMs: baseline.ageMs + this.#options.clock.monotonicMs() - atMs };
  }
}
