/** A member's own samples: of every peer and model it asked, and of every model it served. */
import { MAX_MEASURED_PEERS } from '../limits.ts';
import { LruMap } from '../lru-map.ts';
import type { Measured } from '../protocol/announcement.ts';
import type { ModelId, PeerId } from '../protocol/ids.ts';
import { type CurrentSpeed, type JobFigures, SampleWindow } from './sample-window.ts';

export class Measurements {
  /** In the order of their newest samples. */
  readonly #windows = new LruMap<PeerId, Map<ModelId, SampleWindow>>(MAX_MEASURED_PEERS);

  record(peerId: PeerId, model: ModelId, measurement: JobFigures, nowMs: number): void {
    const models = this.#windows.peek(peerId) ?? new Map<ModelId, SampleWindow>();
    this.#windows.set(peerId, models);
    const window = models.get(model) ?? new SampleWindow();
    models.set(model, window);
    window.add(measurement, nowMs);
  }

  measured(peerId: PeerId, model: ModelId, nowMs: number): Measured | null {
    return this.#windows.peek(peerId)?.get(model)?.measured(nowMs) ?? null;
  }

  /** As of the newest samples. */
  current(peerId: PeerId, model: ModelId, nowMs: number): CurrentSpeed | null {
    return this.#windows.peek(peerId)?.get(model)?.current(nowMs) ?? null;
  }
}
