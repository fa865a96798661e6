/**
 * Times and rates as counts in buckets that grow by 4 %: hours of different sizes, models and entries add up, and a
 * percentile of any sum of them is right within 2 %. Medians of medians would be wrong.
 */

const GROWTH = Math.log(1.04);
/** Times and rates beyond these are counted as these: nobody tells them apart, and the buckets stay few. */
const LEAST = 0.01;
const MOST = 1e9;

export function bucketOf(value: number): string {
  return String(Math.round(Math.log(Math.min(MOST, Math.max(LEAST, value))) / GROWTH));
}

export class LogHistogram {
  readonly #counts = new Map<number, number>();
  #total = 0;

  add(bucket: string, n: number): void {
    const place = Number(bucket);
    if (!Number.isInteger(place)) return;
    this.#counts.set(place, (this.#counts.get(place) ?? 0) + n);
    this.#total += n;
  }

  /** By nearest rank, to three digits; null of nothing. `shares` ascend. */
  percentiles<Shares extends readonly number[]>(shares: Shares): { [Place in keyof Shares]: number | null } {
    const places = Float64Array.from(this.#counts.keys()).sort();
    let passed = 0;
    let next = 0;
    return shares.map((share) => {
      const rank = Math.ceil(share * this.#total);
      while (passed < rank) passed += this.#counts.get(places[next++] ?? Number.NaN) ?? rank;
      return next === 0 ? null : middleOf(places[next - 1] ?? 0);
    }) as { [Place in keyof Shares]: number | null };
  }
}

function middleOf(place: number): number {
  return Number(Math.exp(place * GROWTH).toPrecision(3));
}
