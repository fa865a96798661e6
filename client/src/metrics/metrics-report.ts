/**
 * What `GET /api/metrics` tells, checked before anything is drawn: the entry behind this page may be older or newer than
 * the page is.
 */
import { MeshError } from '@tabmesh/shared';
import { z } from 'zod/mini';

const Count = z.int().check(z.nonnegative());
const Figure = z.nullable(z.number().check(z.nonnegative()));
const answerCounts = { mesh: Count, fallback: Count, failed: Count };
const speedFigures = { ttftP50Ms: Figure, ttftP95Ms: Figure, tokensPerSecondP50: Figure, tokensPerSecondP95: Figure };

/** `share`: served by the mesh ÷ all, 0 to 1; null of nothing. */
const MeshShare = z.object({ ...answerCounts, share: z.nullable(z.number().check(z.minimum(0), z.maximum(1))) });
const Range = z.enum(['24h', '7d', '30d']);

const EntryReport = z.object({
  range: Range,
  /** Null: all models. */
  model: z.nullable(z.string()),
  share: z.object({ day: MeshShare, week: MeshShare }),
  week: z.object({
    ...MeshShare.shape,
    ...speedFigures,
    startMs: Count,
    tokens: Count,
    models: z.array(z.object({ ...speedFigures, model: z.string(), answers: Count })),
    peers: z.array(z.object({ peerId: z.string(), name: z.string(), tokens: Count })),
  }),
  milestones: z.array(
    z.object({ model: z.string(), atMs: Count, peerName: z.string(), ttftMs: Figure, tokensPerSecond: Figure }),
  ),
  /** Every hour of the range, oldest first. `hour`: its start, Unix milliseconds. */
  series: z.array(z.object({ ...answerCounts, ...speedFigures, hour: Count })),
});
const Refusal = z.object({ error: z.object({ message: z.string() }) });

type EntryReport = z.infer<typeof EntryReport>;
export type MetricsRange = z.infer<typeof Range>;
export type MeshShare = z.infer<typeof MeshShare>;
export type MetricsHour = EntryReport['series'][number];

export interface MetricsReport extends EntryReport {
  /**
   * Of one model, because a large and a small one on one axis tell of neither: the chosen one, else the one that answers
   * most. Null: there is none yet.
   */
  readonly speed: Pick<EntryReport, 'model' | 'series'>;
}

export const RANGE_LABELS: Readonly<Record<MetricsRange, string>> = {
  '24h': '24 hours',
  '7d': '7 days',
  '30d': '30 days',
};

export interface MetricsQuery {
  readonly range: MetricsRange;
  /** Undefined: all models. */
  readonly model: string | undefined;
}

/** Also asks for the hours of the busiest model when the query is of all. @throws like the asking itself. */
export async function readMetrics(
  fetch: typeof globalThis.fetch,
  query: MetricsQuery,
  signal: AbortSignal,
): Promise<MetricsReport> {
  const report = await readReport(fetch, query, signal);
  const model = busiestOf(report);
  if (report.model !== null || model === undefined)
    return { ...report, speed: { model: report.model, series: report.series } };
  const { series } = await readReport(fetch, { ...query, model }, signal);
  return { ...report, speed: { model, series } };
}

/** @throws MeshError that says what to do: the entry is out of reach, refuses, or speaks another version. */
async function readReport(
  fetch: typeof globalThis.fetch,
  { range, model }: MetricsQuery,
  signal: AbortSignal,
): Promise<EntryReport> {
  const query = new URLSearchParams({ range, ...(model === undefined ? {} : { model }) });
  const response = await fetch(`/api/metrics?${query}`, { signal }).catch((cause: unknown) => {
    const message = "The entry can't be reached. Check the connection, then try again.";
    throw signal.aborted ? MeshError.cancelled() : new MeshError('connection_failed', message, { cause });
  });
  const body: unknown = await response.json().catch(() => undefined);
  if (!response.ok) {
    const refusal = Refusal.safeParse(body);
    const said = `The entry answered with status ${response.status}. Try again in a moment.`;
    throw new MeshError('upstream_failed', refusal.success ? refusal.data.error.message : said);
  }
  const report = EntryReport.safeParse(body);
  if (report.success) return report.data;
  const message = 'The entry and this page are of different versions. Reload the page.';
  throw new MeshError('protocol_violation', message, { cause: report.error });
}

/** This week; while nothing was answered in it, the one that was served first of late. */
function busiestOf({ week, milestones }: EntryReport): string | undefined {
  const busiest = [...week.models].sort((a, b) => b.answers - a.answers)[0];
  return (busiest ?? [...milestones].sort((a, b) => b.atMs - a.atMs)[0])?.model;
}

/** Of the entry's whole life, as far as the report tells. */
export function isEmpty({ share, week, milestones, series }: MetricsReport): boolean {
  const counted = [share.day, share.week, week, ...series];
  return milestones.length === 0 && counted.every((counts) => answersOf(counts) === 0);
}

export function answersOf({ mesh, fallback, failed }: { mesh: number; fallback: number; failed: number }): number {
  return mesh + fallback + failed;
}

/** Those that the series can be narrowed to, by name. */
export function modelsOf({ week, milestones, model }: MetricsReport): string[] {
  const names = [...week.models, ...milestones].map((row) => row.model);
  return [...new Set([...names, ...(model === null ? [] : [model])])].sort();
}
