/**
 * What `GET /api/metrics` tells, checked before anything is drawn: the entry behind this page may be older or newer than
 * the page is.
 */
import { MeshError } from '@tabmesh/shared';
import { z } from 'zod';

const Count = z.number().int().nonnegative();
const Figure = z.number().nonnegative().nullable();
const answerCounts = { mesh: Count, fallback: Count, failed: Count };
const speedFigures = { ttftP50Ms: Figure, ttftP95Ms: Figure, tokensPerSecondP50: Figure, tokensPerSecondP95: Figure };

/** `share`: served by the mesh ÷ all, 0 to 1; null of nothing. */
const MeshShare = z.object({ ...answerCounts, share: z.number().min(0).max(1).nullable() });
const Range = z.enum(['24h', '7d', '30d']);

const MetricsReport = z.object({
  range: Range,
  /** Null: all models. */
  model: z.string().nullable(),
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

export type MetricsReport = z.infer<typeof MetricsReport>;
export type MetricsRange = z.infer<typeof Range>;
export type MeshShare = z.infer<typeof MeshShare>;
export type MetricsHour = MetricsReport['series'][number];

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

/** @throws MeshError that says what to do: the entry is out of reach, refuses, or speaks another version. */
export async function readMetrics(
  fetch: typeof globalThis.fetch,
  { range, model }: MetricsQuery,
  signal: AbortSignal,
): Promise<MetricsReport> {
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
  const report = MetricsReport.safeParse(body);
  if (report.success) return report.data;
  const message = 'The entry and this page are of different versions. Reload the page.';
  throw new MeshError('protocol_violation', message, { cause: report.error });
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
