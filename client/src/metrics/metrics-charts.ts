/**
 * The report's hours as charts: what is drawn, what the table lists and what the file holds are the same spans and
 * columns. Long ranges are shown by 6 hours or by day of this clock: counts as their sum, times and rates, whose
 * percentiles don't add up, as the median of the hours, each hour weighing as much as it answered.
 */

import { formatCount, formatMs, formatRate, formatShare } from '../ui/format.ts';
import { formatDay, formatExact, formatPercent, formatTime } from './metrics-figures.ts';
import { answersOf, type MetricsHour, type MetricsRange, type MetricsReport, RANGE_LABELS } from './metrics-report.ts';

/** From `fromMs` to `toMs`: the part of a whole step, which begins at `startMs`, that the range holds. */
export interface Span {
  readonly startMs: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** What the colour of a column means. */
export type Tone = 'middle' | 'tail' | 'mesh' | 'fallback' | 'failed';

export interface Column {
  readonly name: string;
  readonly tone: Tone;
  /** One per span; null: nothing was measured. */
  readonly values: readonly (number | null)[];
}

export interface Chart {
  readonly id: 'first-token' | 'rate' | 'answers' | 'share';
  readonly title: string;
  /** What the figures are of, where that is not all; empty: all. */
  readonly detail: string;
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

export function metricsCharts({ series, range, model, speed }: MetricsReport): Chart[] {
  const stepHours = STEP_HOURS[range];
  const steps = toSteps(series, stepHours);
  const counted = { stepHours, spans: steps.map(({ span }) => span), detail: model ?? '' } as const;
  const measuredSteps = toSteps(speed.series, stepHours);
  const measured = {
    form: 'spread',
    stepHours,
    spans: measuredSteps.map(({ span }) => span),
    detail: [speed.model, stepHours === 1 ? null : `median hour ${PER_STEP[range]}`]
      .filter((part) => part !== null)
      .join(', '),
  } as const;
  const count = (key: 'mesh' | 'fallback' | 'failed') =>
    steps.map(({ hours }) => hours.reduce((sum, hour) => sum + hour[key], 0));
  const answers: Column[] = [
    { name: 'mesh', tone: 'mesh', values: count('mesh') },
    { name: 'outside provider', tone: 'fallback', values: count('fallback') },
    // A failed answer has no model: with one chosen this would be a row of zeros that says nothing.
    ...(model === null ? [{ name: 'failed', tone: 'failed', values: count('failed') } as const] : []),
  ];
  return [
    {
      ...measured,
      id: 'first-token',
      title: 'Time to first token',
      columns: percentiles(measuredSteps, 'ttftP50Ms', 'ttftP95Ms'),
      most: undefined,
      unit: 'ms',
      format: formatMs,
      formatAxis: formatMs,
    },
    {
      ...measured,
      id: 'rate',
      title: 'Tokens per second',
      columns: percentiles(measuredSteps, 'tokensPerSecondP50', 'tokensPerSecondP95'),
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
  const { title, detail } = chart;
  const subject = detail === '' ? title : `${title} (${detail})`;
  const period = `last ${RANGE_LABELS[range]}`;
  const place = newestSpan(chart);
  const span = place === undefined ? undefined : chart.spans[place];
  if (place === undefined || span === undefined) return `${subject}, ${period}: no answers.`;
  const newest = chart.columns.map(({ name, values }) => `${name} ${formatValue(chart, values[place] ?? null)}`);
  const extent = chart.columns.slice(0, 1).map(({ name, values }) => {
    const known = values.filter((value) => value !== null);
    return `${name} between ${chart.format(Math.min(...known))} and ${chart.format(Math.max(...known))}`;
  });
  return `${subject}, ${period}: ${extent.join()}; newest, ${spanLabel(span, chart.stepHours)}: ${newest.join(', ')}.`;
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

function percentiles(steps: readonly Step[], p50: SpeedKey, p95: SpeedKey): Column[] {
  return [
    { name: 'p50', tone: 'middle', values: steps.map(({ hours }) => medianHour(hours, p50)) },
    { name: 'p95', tone: 'tail', values: steps.map(({ hours }) => medianHour(hours, p95)) },
  ];
}

/** The value of the hour in which the middle one of all answers was given, were the hours in the order of their values. */
function medianHour(hours: readonly MetricsHour[], key: SpeedKey): number | null {
  const known = hours
    .map((hour) => ({ value: hour[key], weight: hour.mesh + hour.fallback }))
    .filter((hour): hour is { value: number; weight: number } => hour.value !== null)
    .sort((a, b) => a.value - b.value);
  let left = known.reduce((sum, { weight }) => sum + weight, 0) / 2;
  for (const { value, weight } of known) {
    left -= weight;
    if (left <= 0) return value;
  }
  return null;
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
