/** The last hour of one peer's measurements for one model, and their medians. */
import type { Measured } from '../protocol/announcement.ts';

/** What one job tells: its TTFT, and its decode rate unless none could be measured. */
export interface JobFigures {
  readonly ttftMs: number;
  readonly tokensPerSecond: number | null;
  /** The rate is tokens ÷ wall time, first token included, because the answer was too short for better. */
  readonly approximate: boolean;
}

interface Sample {
  readonly atMs: number;
  readonly ttftMs: number;
  readonly tokensPerSecond: number;
  readonly approximate: boolean;
}

const WINDOW_MS = 3_600_000;
/** A busy peer finishes more in an hour; the newest tell enough. */
const MOST_SAMPLES = 512;
/** Enough for a median that one odd answer doesn't move, few enough to follow a peer whose machine got another task. */
const NEWEST_SAMPLES = 9;

/** What routing needs to know, as of the newest samples. */
export type CurrentSpeed = Pick<Measured, 'ttftMs' | 'tokensPerSecond'>;

export class SampleWindow {
  #samples: Sample[] = [];
  #summary:
    | {
        readonly measured: Measured;
        readonly current: CurrentSpeed;
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
      approximate: measurement.approximate,
    });
    if (this.#samples.length > MOST_SAMPLES) this.#samples.shift();
    this.#summary = undefined;
  }

  /** Medians over the window that ends now; null without samples in it. */
  measured(nowMs: number): Measured | null {
    const summary = this.#summaryAt(nowMs);
    return summary === undefined ? null : { ...summary.measured, ageMs: nowMs - summary.newestMs };
  }

  /** Medians over the newest samples of the window: a peer that got slow shows it in a few answers, not in hundreds. */
  current(nowMs: number): CurrentSpeed | null {
    return this.#summaryAt(nowMs)?.current ?? null;
  }

  #summaryAt(nowMs: number) {
    if (this.#summary === undefined || nowMs - this.#summary.oldestMs > WINDOW_MS) this.#summarise(nowMs);
    return this.#summary;
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
              ...percentilesOf(this.#samples),
              sampleCount: this.#samples.length,
              ageMs: 0,
            },
            current: currentOf(this.#samples),
            newestMs: newest.atMs,
            oldestMs: oldest.atMs,
          };
  }
}

function percentilesOf(samples: readonly Sample[]) {
  const ttfts = ascending(samples.map((sample) => sample.ttftMs));
  const rates = ascending(ratesOf(samples));
  return {
    ttftMs: percentile(ttfts, 0.5),
    ttftP95Ms: percentile(ttfts, 0.95),
    tokensPerSecond: percentile(rates, 0.5),
    tokensPerSecondP95: percentile(rates, 0.95),
  };
}

function currentOf(samples: readonly Sample[]): CurrentSpeed {
  const ttfts = samples.slice(-NEWEST_SAMPLES).map((sample) => sample.ttftMs);
  const rates = ratesOf(samples).slice(-NEWEST_SAMPLES);
  return { ttftMs: percentile(ascending(ttfts), 0.5), tokensPerSecond: percentile(ascending(rates), 0.5) };
}

/** Approximate ones count only while there are no others. */
function ratesOf(samples: readonly Sample[]): number[] {
  const exact = samples.filter((sample) => !sample.approximate);
  return (exact.length > 0 ? exact : samples).map((sample) => sample.tokensPerSecond);
}

function ascending(values: number[]): number[] {
  return values.sort((a, b) => a - b);
}

/** Linear between the two nearest ranks. */
function percentile(sorted: readonly number[], share: number): number {
  const rank = share * (sorted.length - 1);
  const below = sorted[Math.floor(rank)] ?? 0;
  const above = sorted[Math.ceil(rank)] ?? below;
  return below + (above - below) * (rank - Math.floor(rank));
}
