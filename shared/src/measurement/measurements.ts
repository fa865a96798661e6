/** A member's own samples: of every peer and model it asked, and of every model it served. */
import type { Measured } from '../protocol/announcement.ts';
import type { ModelId, PeerId } from '../protocol/ids.ts';
import { type CurrentSpeed, type JobFigures, SampleWindow } from './sample-window.ts';

/** Those heard of last; whoever comes back under the same key is known. */
const MOST_PEERS = 1_000;

export class Measurements {
  /** In the order of their newest samples. */
  readonly #windows = new Map<PeerId, Map<ModelId, SampleWindow>>();

  record(peerId: PeerId, model: ModelId, measurement: JobFigures, nowMs: number): void {
    const models = this.#windows.get(peerId) ?? new Map<ModelId, SampleWindow>();
    this.#windows.delete(peerId);
    this.#windows.set(peerId, models);
    const window = models.get(model) ?? new SampleWindow();
    models.set(model, window);
    window.add(measurement, nowMs);
    if (this.#windows.size <= MOST_PEERS) return;
    const [oldest] = this.#windows.keys();
    if (oldest !== undefined) this.#windows.delete(oldest);
  }

  measured(peerId: PeerId, model: ModelId, nowMs: number): Measured | null {
    return this.#windows.get(peerId)?.get(model)?.measured(nowMs) ?? null;
  }

  /** As of the newest samples. */
  current(peerId: PeerId, model: ModelId, nowMs: number): CurrentSpeed | null {
    return this.#windows.get(peerId)?.get(model)?.current(nowMs) ?? null;
  }
}
