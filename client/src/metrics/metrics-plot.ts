/** How a chart looks as a uPlot: thin lines, quiet axes, a crosshair that all charts of the page share. */
import type uPlot from 'uplot';
import type { Chart, Tone } from './metrics-charts.ts';
import { formatDay, formatTime } from './metrics-figures.ts';

/** The tokens of this moment's theme: a canvas takes colours, not names. */
export interface PlotLook {
  readonly tones: Readonly<Record<Tone, string>>;
  readonly ground: string;
  readonly surface: string;
  readonly grid: string;
  readonly label: string;
  readonly font: string;
}

export interface PlotSize {
  readonly width: number;
  readonly height: number;
}

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** So that a line along the top keeps its width. */
const HEADROOM = 1.06;
const AXIS_WIDTH = 56;
const AXIS_HEIGHT = 28;
/** Closer than that the edge of the ground would be a thicket: the ground alone shows the tail. */
const EDGE_FROM_PX = 3;
/** Counts have no halves. */
const WHOLE_STEPS = Array.from({ length: 9 }, (_unused, zeros) => [1, 2, 5].map((digit) => digit * 10 ** zeros)).flat();

/** What the stylesheet says at this element, in this theme. */
export function readLook(element: HTMLElement): PlotLook {
  const probe = document.createElement('span');
  probe.hidden = true;
  element.append(probe);
  const colour = (css: string) => {
    probe.style.color = css;
    return getComputedStyle(probe).color;
  };
  const accent = colour('var(--accent)');
  const { fontFamily, fontSize } = getComputedStyle(element);
  const look: PlotLook = {
    tones: {
      middle: accent,
      tail: colour('color-mix(in oklch, var(--accent) 50%, transparent)'),
      mesh: accent,
      fallback: colour('var(--waiting)'),
      failed: colour('var(--bad)'),
    },
    ground: colour('color-mix(in oklch, var(--accent) 16%, transparent)'),
    surface: colour('var(--surface)'),
    grid: colour('var(--line)'),
    label: colour('var(--text-muted)'),
    font: `${fontSize} ${fontFamily}`,
  };
  probe.remove();
  return look;
}

/**
 * A point stands in the middle of its whole step. Stacked columns are drawn from the tallest sum down to the first; a
 * column that adds nothing is left out there, or its colour would shine through the edges of the bar before it.
 */
export function plotData({ spans, stepHours, columns, form }: Chart): uPlot.AlignedData {
  const middles = spans.map(({ startMs }) => startMs + (stepHours * HOUR_MS) / 2);
  const values = columns.map((column) => [...column.values]);
  if (form !== 'stack') return [middles, ...values.reverse()];
  const sums = columns.map((_column, last) =>
    spans.map((_span, place) =>
      (values[last]?.[place] ?? 0) === 0
        ? null
        : values.slice(0, last + 1).reduce((sum, column) => sum + (column[place] ?? 0), 0),
    ),
  );
  return [middles, ...sums.reverse()];
}

export function plotOptions(
  { paths }: Pick<typeof uPlot, 'paths'>,
  chart: Chart,
  look: PlotLook,
  size: PlotSize,
  onPoint: (place: number | undefined) => void,
): uPlot.Options {
  const fromMs = chart.spans[0]?.fromMs ?? 0;
  const toMs = chart.spans.at(-1)?.toMs ?? fromMs + HOUR_MS;
  const quiet = { stroke: look.label, font: look.font, ticks: { show: false } };
  const grid = { stroke: look.grid, width: 1 };
  return {
    ...size,
    ms: 1,
    padding: [8, 24, 0, 0],
    legend: { show: false },
    scales: {
      x: { time: true, range: [fromMs, toMs] },
      y: { range: (_plot, _least, most) => [0, (chart.most ?? (most > 0 ? most : 1)) * HEADROOM] },
    },
    axes: [
      {
        ...quiet,
        grid: { show: false },
        size: AXIS_HEIGHT,
        gap: 8,
        space: 64,
        values: (_plot, moments, _axis, _space, stepMs) => moments.map((moment) => axisLabel(moment, stepMs)),
      },
      {
        ...quiet,
        grid,
        size: AXIS_WIDTH,
        space: 36,
        ...(chart.form === 'stack' ? { incrs: WHOLE_STEPS } : {}),
        values: (_plot, values) => values.map((value) => (value === 0 ? '0' : chart.formatAxis(value))),
      },
    ],
    series: [{}, ...chart.columns.map(({ tone }) => seriesOf(paths, chart, tone, look, size)).reverse()],
    ...(chart.form === 'spread' ? { bands: [{ series: [1, 2], fill: look.ground }] } : {}),
    cursor: {
      y: false,
      move: (plot, left, top) => [left < 0 ? left : plot.valToPos(plot.data[0][plot.posToIdx(left)] ?? 0, 'x'), top],
      drag: { x: false, y: false },
      points: chart.form === 'stack' ? { show: false } : { size: 10, width: 2, stroke: look.surface },
      sync: { key: 'metrics', setSeries: false },
    },
    hooks: { setCursor: [({ cursor }) => onPoint(cursor.idx ?? undefined)] },
  };
}

function seriesOf(
  paths: typeof uPlot.paths,
  { form, spans }: Chart,
  tone: Tone,
  look: PlotLook,
  { width }: PlotSize,
): uPlot.Series {
  const stroke = look.tones[tone];
  const dense = (width - AXIS_WIDTH) / spans.length < EDGE_FROM_PX;
  if (form === 'stack') {
    const bars = paths.bars?.({ size: [0.72, 28] });
    return { fill: stroke, width: 0, points: { show: false }, ...(bars === undefined ? {} : { paths: bars }) };
  }
  return {
    stroke,
    width: tone === 'tail' ? (dense ? 0 : 1) : dense ? 1.25 : 2,
    ...(form === 'line' ? { fill: look.ground } : {}),
    // A lone value between quiet hours is a line without length: it gets a dot.
    points:
      dense && tone === 'tail'
        ? { show: false }
        : { show: true, size: dense ? 3 : 5, width: 0, fill: stroke, filter: lonePlaces },
  };
}

function lonePlaces(plot: uPlot, series: number): number[] {
  const values = plot.data[series] ?? [];
  const there = (place: number) => (values[place] ?? null) !== null;
  return Array.from(values, (_value, place) => place).filter(
    (place) => there(place) && !there(place - 1) && !there(place + 1),
  );
}

function axisLabel(atMs: number, stepMs: number): string {
  const midnight = new Date(atMs).getHours() === 0;
  return stepMs >= DAY_MS || midnight ? formatDay(atMs).replace(/^\S+ /, '') : formatTime(atMs);
}
