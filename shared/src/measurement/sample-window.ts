/** The last hour of one peer's measurements for one model, and their medians. */
import { MAX_SAMPLES } from '../limits.ts';
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
/** Enough for a median that one odd answer doesn't move, few enough to follow a peer whose machine got another task. */
const NEWEST_SAMPLES = 9;

/** What routing needs to know: medians of the newest samples, and the 95th percentile of the hour. */
export type CurrentSpeed = Pick<Measured, 'ttftMs' | 'ttftP95Ms' | 'tokensPerSecond'>;

export class SampleWindow {
  readonly #samples: Sample[] = [];
  readonly #ttfts = new SortedValues();
  readonly #exactRates = new SortedValues();
  readonly #approximateRates = new SortedValues();
  /** Until the next sample: every request asks this of every peer. */
  #current: CurrentSpeed | undefined;
  #summary: Measured | undefined;
  /** Beside the samples, which lie all over the memory: with a hundred peers that is what a request waits for. */
  #oldestMs = Number.POSITIVE_INFINITY;
  #newestMs = 0;

  /** A job without a rate is no sample. */
  add(measurement: JobFigures, nowMs: number): void {
    const { ttftMs, tokensPerSecond, approximate } = measurement;
    if (tokensPerSecond === null) return;
    this.#current = undefined;
    this.#summary = undefined;
    this.#newestMs = nowMs;
    if (this.#samples.length === 0) this.#oldestMs = nowMs;
    this.#samples.push({ atMs: nowMs, ttftMs, tokensPerSecond, approximate });
    this.#ttfts.add(ttftMs);
    this.#ratesLike(approximate).add(tokensPerSecond);
    if (this.#samples.length > MAX_SAMPLES) this.#dropOldest();
  }

  /** Medians over the window that ends now; null without samples in it. */
  measured(nowMs: number): Measured | null {
    this.#dropBefore(nowMs - WINDOW_MS);
    if (this.#oldestMs === Number.POSITIVE_INFINITY) return null;
    this.#summary ??= this.#whole();
    return { ...this.#summary, ageMs: nowMs - this.#newestMs };
  }

  /** Medians over the newest samples of the window: a peer that got slow shows it in a few answers, not in hundreds. */
  current(nowMs: number): CurrentSpeed | null {
    this.#dropBefore(nowMs - WINDOW_MS);
    if (this.#oldestMs === Number.POSITIVE_INFINITY) return null;
    this.#current ??= this.#newest();
    return this.#current;
  }

  #whole(): Measured {
    // Approximate ones count only while there are no others.
    const rates = this.#ratesLike(this.#exactRates.size === 0);
    return {
      ttftMs: this.#ttfts.percentile(0.5),
      ttftP95Ms: this.#ttfts.percentile(0.95),
      tokensPerSecond: rates.percentile(0.5),
      tokensPerSecondP95: rates.percentile(0.95),
      sampleCount: this.#samples.length,
      ageMs: 0,
    };
  }

  #newest(): CurrentSpeed {
    const approximate = this.#exactRates.size === 0;
    const ttfts = new SortedValues();
    const rates = new SortedValues();
    for (let index = this.#samples.length - 1; index >= 0 && rates.size < NEWEST_SAMPLES; index -= 1) {
      const sample = this.#samples[index] as Sample;
      if (ttfts.size < NEWEST_SAMPLES) ttfts.add(sample.ttftMs);
      if (sample.approximate === approximate) rates.add(sample.tokensPerSecond);
    }
    return {
      ttftMs: ttfts.percentile(0.5),
      ttftP95Ms: this.#ttfts.percentile(0.95),
      tokensPerSecond: rates.percentile(0.5),
    };
  }

  #ratesLike(approximate: boolean): SortedValues {
    return approximate ? this.#approximateRates : this.#exactRates;
  }

  #dropBefore(oldestMs: number): void {
    while (this.#oldestMs < oldestMs) this.#dropOldest();
  }

  #dropOldest(): void {
    const oldest = this.#samples.shift();
    if (oldest === undefined) return;
    this.#current = undefined;
    this.#summary = undefined;
    this.#ttfts.remove(oldest.ttftMs);
    this.#oldestMs = this.#samples[0]?.atMs ?? Number.POSITIVE_INFINITY;
    this.#ratesLike(oldest.approximate).remove(oldest.tokensPerSecond);
  }
}

/** Kept in order as they come and go: a request should not have to sort an hour of samples. */
class SortedValues {
  readonly #values: number[] = [];

  get size(): number {
    return this.#values.length;
  }

  add(value: number): void {
    this.#values.splice(this.#placeOf(value), 0, value);
  }

  remove(value: number): void {
    this.#values.splice(this.#placeOf(value), 1);
  }

  /** Linear between the two nearest ranks. */
  percentile(share: number): number {
    const rank = share * (this.#values.length - 1);
    const below = this.#values[Math.floor(rank)] ?? 0;
    const above = this.#values[Math.ceil(rank)] ?? below;
    return below + (above - below) * (rank - Math.floor(rank));
  }

  /** Of the first that is not smaller. */
  #placeOf(value: number): number {
    let low = 0;
    let high = this.#values.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#values[middle] ?? 0) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
