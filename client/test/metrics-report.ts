/** Reports of the entry, as tests want them. */
import type { MetricsHour, MetricsReport } from '../src/metrics/metrics-report.ts';

export const HOUR_MS = 3_600_000;

export const unmeasured = { ttftP50Ms: null, ttftP95Ms: null, tokensPerSecondP50: null, tokensPerSecondP95: null };

/** Quiet hours up to and with the one that begins at `lastMs`; `answered`: those of them that were not. */
export function hours(
  lastMs: number,
  count: number,
  answered: Record<number, Partial<MetricsHour>> = {},
): MetricsHour[] {
  return Array.from({ length: count }, (_unused, place) => ({
    hour: lastMs - (count - 1 - place) * HOUR_MS,
    mesh: 0,
    fallback: 0,
    failed: 0,
    ...unmeasured,
    ...answered[place],
  }));
}

export function report(changes: Partial<MetricsReport> = {}): MetricsReport {
  const series = hours(1_800_000_000_000, 24);
  const nothing = { mesh: 0, fallback: 0, failed: 0, share: null };
  return {
    range: '24h',
    model: null,
    share: { day: nothing, week: nothing },
    week: { ...nothing, ...unmeasured, startMs: 0, tokens: 0, models: [], peers: [] },
    milestones: [],
    series,
    speed: { model: changes.model ?? null, series: changes.series ?? series },
    ...changes,
  };
}
