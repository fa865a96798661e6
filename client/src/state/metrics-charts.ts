/**
 * The report's hours as charts: what is drawn, what the table lists and what the file holds are the same spans and
 * columns. Counts add up, so long ranges show them by 6 hours or by day of this clock; percentiles don't, so times and
 * rates stay hourly.
 */
import { formatCount, formatMs, formatRate } from './format.ts';
import { formatDay, formatExact, formatPercent, formatTime } from './metrics-figures.ts';
import { answersOf, type MetricsHour, type MetricsRange, type MetricsReport, RANGE_LABELS } from './metrics-report.ts';
import { formatShare } from './status.ts';

/** From `fromMs` to `toMs`: the part of a whole step, which begins at `startMs`, that the range holds. */
export interface Span {
  readonly startMs: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** What the colour of a column means. */
export type Tone = 'middle' | 'tail' | 'mesh' | 'outside' | 'failed';

export interface Column {
  readonly name: string;
  readonly tone: Tone;
  /** One per span; null: nothing was measured. */
  readonly values: readonly (number | null)[];
}

export interface Chart {
  readonly id: 'first-token' | 'rate' | 'answers' | 'share';
  readonly title: string;
  /** Two lines with the ground between them, bars on one another, or one line. */
  readonly form: 'spread' | 'stack' | 'line';
  /** Of the whole steps, in hours. */
  readonly stepHours: number;
  readonly spans: readonly Span[];
  readonly columns: readonly Column[];
  /** Of the axis of values; undefined: as much as the values need. */
  readonly most: number | undefined;
  /** Stands in the head of a column of the file. */
  readonly unit: string;
  readonly format: (value: number) => string;
  /** Shorter, beside the lines of the grid. */
  readonly formatAxis: (value: number) => string;
}

const HOUR_MS = 3_600_000;
const STEP_HOURS: Record<MetricsRange, number> = { '24h': 1, '7d': 6, '30d': 24 };
const PER_STEP: Record<MetricsRange, string> = { '24h': 'per hour', '7d': 'per 6 hours', '30d': 'per day' };

export function metricsCharts({ series, range, model }: MetricsReport): Chart[] {
  const hourly = { form: 'spread', stepHours: 1, spans: series.map(({ hour }) => spanOf([hour], 1)) } as const;
  const stepHours = STEP_HOURS[range];
  const steps = toSteps(series, stepHours);
  const counted = { stepHours, spans: steps.map(({ span }) => span) } as const;
  const count = (key: 'mesh' | 'fallback' | 'failed') =>
    steps.map(({ hours }) => hours.reduce((sum, hour) => sum + hour[key], 0));
  const answers: Column[] = [
    { name: 'mesh', tone: 'mesh', values: count('mesh') },
    { name: 'outside provider', tone: 'outside', values: count('fallback') },
    // A failed answer has no model: with one chosen this would be a row of zeros that says nothing.
    ...(model === null ? [{ name: 'failed', tone: 'failed', values: count('failed') } as const] : []),
  ];
  return [
    {
      ...hourly,
      id: 'first-token',
      title: 'Time to first token',
      columns: percentiles(series, 'ttftP50Ms', 'ttftP95Ms'),
      most: undefined,
      unit: 'ms',
      format: formatMs,
      formatAxis: formatMs,
    },
    {
      ...hourly,
      id: 'rate',
      title: 'Tokens per second',
      columns: percentiles(series, 'tokensPerSecondP50', 'tokensPerSecondP95'),
      most: undefined,
      unit: 'tok/s',
      format: formatRate,
      formatAxis: formatCount,
    },
    {
      ...counted,
      id: 'answers',
      title: `Answers ${PER_STEP[range]}`,
      form: 'stack',
      columns: answers,
      most: undefined,
      unit: 'answers',
      format: formatExact,
      formatAxis: formatCount,
    },
    {
      ...counted,
      id: 'share',
      title: `Mesh share ${PER_STEP[range]}`,
      form: 'line',
      columns: [{ name: 'by the mesh', tone: 'mesh', values: steps.map(({ hours }) => shareOf(hours)) }],
      most: 1,
      unit: 'share',
      format: formatPercent,
      formatAxis: formatShare,
    },
  ];
}

/** The newest span in which something was answered. */
export function newestSpan({ spans, columns, form }: Chart): number | undefined {
  const least = form === 'stack' ? 1 : 0;
  const place = spans.findLastIndex((_span, index) => columns.some(({ values }) => (values[index] ?? -1) >= least));
  return place === -1 ? undefined : place;
}

/** Thu 19 Nov, 14:00 · Thu 19 Nov, 12:00–18:00 · Thu 19 Nov; and what of it is outside the range. */
export function spanLabel({ startMs, fromMs, toMs }: Span, stepHours: number): string {
  const day = formatDay(startMs);
  // Where clocks are half an hour off UTC a day of whole hours begins and ends at 00:30.
  const whole = fromMs - startMs < HOUR_MS && new Date(toMs).getHours() === 0;
  if (stepHours === 1) return `${day}, ${formatTime(startMs)}`;
  if (stepHours < 24 || !whole) return `${day}, ${formatTime(fromMs)}–${formatTime(toMs)}`;
  return day;
}

/** What a reader who sees no chart is told. */
export function describeChart(chart: Chart, range: MetricsRange): string {
  const period = `last ${RANGE_LABELS[range]}`;
  const place = newestSpan(chart);
  const span = place === undefined ? undefined : chart.spans[place];
  if (place === undefined || span === undefined) return `${chart.title}, ${period}: no answers.`;
  const newest = chart.columns.map(({ name, values }) => `${name} ${formatValue(chart, values[place] ?? null)}`);
  const extent = chart.columns.slice(0, 1).map(({ name, values }) => {
    const known = values.filter((value) => value !== null);
    return `${name} between ${chart.format(Math.min(...known))} and ${chart.format(Math.max(...known))}`;
  });
  return `${chart.title}, ${period}: ${extent.join()}; newest, ${spanLabel(span, chart.stepHours)}: ${newest.join(', ')}.`;
}

export function formatValue({ format }: Chart, value: number | null): string {
  return value === null ? '—' : format(value);
}

/** RFC 4180, times in ISO 8601; a cell without a value is empty. */
export function chartFile({ spans, columns, unit }: Chart): string {
  const rows = spans.map(({ fromMs, toMs }, place) => [
    new Date(fromMs).toISOString(),
    new Date(toMs).toISOString(),
    ...columns.map(({ values }) => rounded(values[place] ?? null)),
  ]);
  const head = ['from', 'to', ...columns.map(({ name }) => (name === unit ? name : `${name} (${unit})`))];
  return [head, ...rows].map((row) => `${row.join(',')}\r\n`).join('');
}

type SpeedKey = 'ttftP50Ms' | 'ttftP95Ms' | 'tokensPerSecondP50' | 'tokensPerSecondP95';

function percentiles(series: readonly MetricsHour[], p50: SpeedKey, p95: SpeedKey): Column[] {
  return [
    { name: 'p50', tone: 'middle', values: series.map((hour) => hour[p50]) },
    { name: 'p95', tone: 'tail', values: series.map((hour) => hour[p95]) },
  ];
}

interface Step {
  readonly span: Span;
  readonly hours: readonly MetricsHour[];
}

/** By the clock on the wall, so that a bar is a day as its reader counts days. */
function toSteps(series: readonly MetricsHour[], stepHours: number): Step[] {
  const steps = new Map<number, MetricsHour[]>();
  for (const hour of series) {
    const startMs = stepStart(hour.hour, stepHours);
    const hours = steps.get(startMs);
    if (hours === undefined) steps.set(startMs, [hour]);
    else hours.push(hour);
  }
  return [...steps.values()].map((hours) => ({
    span: spanOf(
      hours.map(({ hour }) => hour),
      stepHours,
    ),
    hours,
  }));
}

function spanOf(hours: readonly number[], stepHours: number): Span {
  const fromMs = hours[0] ?? 0;
  return { startMs: stepStart(fromMs, stepHours), fromMs, toMs: (hours.at(-1) ?? fromMs) + HOUR_MS };
}

/** An hour of the ledger begins with an hour of UTC: where clocks are half an hour off it stays as it is. */
function stepStart(hourMs: number, stepHours: number): number {
  if (stepHours === 1) return hourMs;
  const start = new Date(hourMs);
  return start.setHours(Math.floor(start.getHours() / stepHours) * stepHours, 0, 0, 0);
}

function shareOf(hours: readonly MetricsHour[]): number | null {
  const all = hours.reduce((sum, hour) => sum + answersOf(hour), 0);
  return all === 0 ? null : hours.reduce((sum, { mesh }) => sum + mesh, 0) / all;
}

function rounded(value: number | null): string {
  return value === null ? '' : String(Number(value.toFixed(4)));
}
