/** Turns byte counts into progress with a speed, as a person reads it: over the last seconds, not since the start. */
import { SHORTEST_SPEED_SPAN_MS, SPEED_WINDOW_MS } from '../../limits.ts';
import type { LoadProgress } from './model-source.ts';

export class ProgressMeter {
  readonly #report: (progress: LoadProgress) => void;
  readonly #nowMs: () => number;
  readonly #samples: { readonly atMs: number; readonly loadedBytes: number }[] = [];
  #phase: LoadProgress['phase'] | undefined;

  constructor(report: (progress: LoadProgress) => void, nowMs: () => number = () => performance.now()) {
    this.#report = report;
    this.#nowMs = nowMs;
  }

  /** Counts may go down when a download starts again: the speed starts again with it. */
  update(phase: LoadProgress['phase'], loadedBytes: number, totalBytes: number | null): void {
    const atMs = this.#nowMs();
    const last = this.#samples.at(-1);
    if (phase !== this.#phase || (last !== undefined && loadedBytes < last.loadedBytes)) this.#samples.length = 0;
    this.#phase = phase;
    this.#samples.push({ atMs, loadedBytes });
    while (this.#samples.length > 2 && atMs - (this.#samples[0]?.atMs ?? atMs) > SPEED_WINDOW_MS) this.#samples.shift();
    this.#report({ phase, loadedBytes, totalBytes, bytesPerSecond: this.#bytesPerSecond(atMs, loadedBytes) });
  }

  #bytesPerSecond(atMs: number, loadedBytes: number): number | null {
    const first = this.#samples[0];
    if (first === undefined || atMs - first.atMs < SHORTEST_SPEED_SPAN_MS) return null;
    return ((loadedBytes - first.loadedBytes) * 1000) / (atMs - first.atMs);
  }
}
