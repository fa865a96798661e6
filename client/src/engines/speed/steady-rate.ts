/** How much work a device does in a millisecond, found with little of it: batches grow until one is long enough to be told. */

export interface SteadyRateOptions {
  /** Does that much and tells how long it took. */
  run(units: number): Promise<number>;
  /** So little that the slowest device is through with it at once. */
  readonly firstUnits: number;
  readonly enoughMs: number;
  /** Once so much time has gone, the last batch counts, however short it was. */
  readonly mostMs: number;
}

/** In units a millisecond; the first batch only wakes the device up. */
export async function steadyRate({ run, firstUnits, enoughMs, mostMs }: SteadyRateOptions): Promise<number> {
  let spentMs = await run(firstUnits);
  let units = firstUnits;
  for (;;) {
    const tookMs = await run(units);
    spentMs += tookMs;
    if (tookMs >= enoughMs || spentMs >= mostMs) return units / Math.max(tookMs, LEAST_MS);
    // Not more than the time that is left allows, if it goes on as it did.
    const wantedMs = Math.min(enoughMs * 1.25, mostMs - spentMs);
    units = Math.ceil(units * Math.min(MOST_GROWTH, Math.max(1, wantedMs / Math.max(tookMs, LEAST_MS))));
  }
}

/** Browsers round times to a tenth of a millisecond. */
const LEAST_MS = 0.1;
/** A first batch is mostly overhead: what it promises is no measure. */
const MOST_GROWTH = 8;
