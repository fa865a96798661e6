/** The last hour of one peer's measurements for one model, and their medians. */
import type { Measured } from '../protocol/announcement.ts';

/** What one job tells: its TTFT, and its decode rate unless none could be measured. */
export interface JobFigures {
  readonly ttftMs: number;
  readonly tokensPerSecond: number | null;
}

interface Sample {
  readonly atMs: number;
  readonly ttftMs: number;
  readonly tokensPerSecond: number;
}

const WINDOW_MS = 3_600_000;
/** A busy peer finishes more in an hour; the newest tell enough. */
const MOST_SAMPLES = 512;

export class SampleWindow {
  #samples: Sample[] = [];
  #summary:
    | {
        readonly measured: Measured;
        readonly newestMs: number;
        readonly oldestMs: number;
      }
    | undefined;

  /** A job without a rate is no sample. */
  add(measurement: JobFigures, nowMs: number): void {
    if (measurement.tokensPerSecond === null) return;
    this.#samples.push({
      atMs: nowMs,
      ttftMs: measurement.ttftMs,
      tokensPerSecond: measurement.tokensPerSecond,
    });
    if (this.#samples.length > MOST_SAMPLES) this.#samples.shift();
    this.#summary = undefined;
  }

  /** Medians over the window that ends now; null without samples in it. */
  measured(nowMs: number): Measured | null {
    if (this.#summary === undefined || nowMs - this.#summary.oldestMs > WINDOW_MS) this.#summarise(nowMs);
    if (this.#summary === undefined) return null;
    return { ...this.#summary.measured, ageMs: nowMs - this.#summary.newestMs };
  }

  #summarise(nowMs: number): void {
    this.#samples = this.#samples.filter((sample) => nowMs - sample.atMs <= WINDOW_MS);
    const [oldest] = this.#samples;
    const newest = this.#samples.at(-1);
    this.#summary =
      oldest === undefined || newest === undefined
        ? undefined
        : {
            measured: {
              ttftMs: median(this.#samples.map((sample) => sample.ttftMs)),
              tokensPerSecond: median(this.#samples.map((sample) => sample.tokensPerSecond)),
              sampleCount: this.#samples.length,
              ageMs: 0,
            },
            newestMs: newest.atMs,
            oldestMs: oldest.atMs,
          };
  }
}

function median(values: number[]): number {
  const sorted = values.sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}
