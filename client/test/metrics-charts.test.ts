import { describe, expect, it } from 'vitest';
import { chartFile, describeChart, metricsCharts, newestSpan, spanLabel } from '../src/metrics/metrics-charts.ts';
import { formatPercent } from '../src/metrics/metrics-figures.ts';
import type { MetricsReport } from '../src/metrics/metrics-report.ts';
import { hours, report } from './metrics-report.ts';

/** Monday, on this clock, far from any change of it: the running hour is the one from 12 to 13. */
const NOON = new Date(2026, 6, 20, 12).getTime();

function chartsOf(changes: Partial<MetricsReport>) {
  const [ttft, rate, answers, share] = metricsCharts(report(changes));
  if (ttft === undefined || rate === undefined || answers === undefined || share === undefined) throw new Error('four');
  return { ttft, rate, answers, share };
}

describe('the charts', () => {
  it('MP6: times and rates of a day are hourly', () => {
    const series = hours(NOON, 24, { 23: { mesh: 1, ttftP50Ms: 84, ttftP95Ms: 210, tokensPerSecondP50: 41 } });
    const { ttft, rate } = chartsOf({ series });
    expect(ttft).toMatchObject({ title: 'Time to first token', detail: '', stepHours: 1 });
    expect(ttft.columns.map(({ name, values }) => [name, values.at(-1)])).toEqual([
      ['p50', 84],
      ['p95', 210],
    ]);
    expect(rate.columns.map(({ values }) => values.at(-1))).toEqual([41, null]);
  });

  it('MP6: of a longer step stands the median hour, each hour weighing what it answered', () => {
    const answered = {
      714: { mesh: 1, ttftP50Ms: 900 },
      715: { mesh: 5, ttftP50Ms: 80 },
      716: { failed: 50 },
      717: { mesh: 3, fallback: 1, ttftP50Ms: 120 },
    };
    const { ttft, answers } = chartsOf({ range: '30d', model: 'Qwen3-8B', series: hours(NOON, 720, answered) });
    expect(ttft).toMatchObject({ title: 'Time to first token', detail: 'Qwen3-8B, median hour per day' });
    expect(ttft.spans).toEqual(answers.spans);
    expect(ttft.columns[0]?.values.slice(-2)).toEqual([null, 80]);
  });

  it('MP19: times and rates are of one model while answers and share are of all', () => {
    const one = hours(NOON, 24, { 23: { mesh: 1, ttftP50Ms: 84 } });
    const series = hours(NOON, 24, { 23: { mesh: 9, ttftP50Ms: 20 } });
    const { ttft, answers } = chartsOf({ series, speed: { model: 'Qwen3-8B', series: one } });
    expect([ttft.columns[0]?.values.at(-1), answers.columns[0]?.values.at(-1)]).toEqual([84, 9]);
    expect([ttft.detail, answers.detail]).toEqual(['Qwen3-8B', '']);
  });

  it.each([
    { range: '24h', count: 24, spans: 24, title: 'Answers per hour' },
    { range: '7d', count: 168, spans: 29, title: 'Answers per 6 hours' },
    { range: '30d', count: 720, spans: 31, title: 'Answers per day' },
  ] as const)('MP6: answers and share of $range are $title', ({ range, count, spans, title }) => {
    const { answers, share } = chartsOf({ range, series: hours(NOON, count) });
    expect(answers.title).toBe(title);
    expect([answers.spans.length, share.spans.length]).toEqual([spans, spans]);
  });

  it('MP6: the counts of a step are those of its hours, and its share is of their sum', () => {
    const answered = { 167: { mesh: 3, failed: 1 }, 166: { mesh: 40 }, 162: { mesh: 4, fallback: 1 } };
    const { answers, share } = chartsOf({ range: '7d', series: hours(NOON, 168, answered) });
    expect(answers.columns.map(({ values }) => values.slice(-2))).toEqual([
      [44, 3],
      [1, 0],
      [0, 1],
    ]);
    expect(share.columns[0]?.values.slice(-2)).toEqual([44 / 45, 0.75]);
  });

  it('MP6: a step that the range holds a part of says which', () => {
    const days = chartsOf({ range: '30d', series: hours(NOON, 720) }).answers;
    const label = (place: number) => {
      const span = days.spans.at(place);
      return span === undefined ? '' : spanLabel(span, days.stepHours);
    };
    expect([label(0), label(1), label(-1)]).toEqual([
      'Sat 20 Jun, 13:00–00:00',
      'Sun 21 Jun',
      'Mon 20 Jul, 00:00–13:00',
    ]);
  });

  it('MP7: what was not measured is a gap, never zero, and the newest is the newest that was', () => {
    const answered = { 20: { mesh: 1, ttftP50Ms: 90, ttftP95Ms: 90 }, 22: { failed: 1 } };
    const { ttft, rate, answers, share } = chartsOf({ series: hours(NOON, 24, answered) });
    expect(ttft.columns[0]?.values.slice(19, 23)).toEqual([null, 90, null, null]);
    expect(share.columns[0]?.values.slice(19, 23)).toEqual([null, 1, null, 0]);
    expect([ttft, rate, answers, share].map(newestSpan)).toEqual([20, undefined, 22, 22]);
  });

  it('MP7: a share is 100 % or 0 % only when it is exactly that', () => {
    expect([1, 0.99996, 0.982, 0.0001, 0].map(formatPercent)).toEqual(['100 %', '99.9 %', '98.2 %', '0.1 %', '0 %']);
  });

  it('MP8: with a model chosen no column of failed answers stands there', () => {
    expect(chartsOf({}).answers.columns.map(({ name }) => name)).toEqual(['mesh', 'outside provider', 'failed']);
    const one = chartsOf({ model: 'Qwen3-8B' }).answers;
    expect(one.columns.map(({ name }) => name)).toEqual(['mesh', 'outside provider']);
  });

  it('MP9: a file holds every span that is drawn, times in ISO 8601, and nothing where nothing was measured', () => {
    const lines = chartFile(chartsOf({ series: hours(NOON, 24, { 23: { mesh: 1, ttftP50Ms: 84.25 } }) }).ttft).split(
      '\r\n',
    );
    expect(lines).toHaveLength(26);
    const [from, to] = [NOON, NOON + 3_600_000].map((atMs) => new Date(atMs).toISOString());
    expect([lines[0], lines[24], lines[25]]).toEqual(['from,to,p50 (ms),p95 (ms)', `${from},${to},84.25,`, '']);
  });

  it('MP10: a chart is told in one sentence: its extent and its newest figures', () => {
    const answered = { 3: { mesh: 1, ttftP50Ms: 60, ttftP95Ms: 80 }, 23: { mesh: 2, ttftP50Ms: 84, ttftP95Ms: 210 } };
    const { ttft, rate } = chartsOf({ series: hours(NOON, 24, answered) });
    expect(describeChart(ttft, '24h')).toBe(
      'Time to first token, last 24 hours: p50 between 60 ms and 84 ms; newest, Mon 20 Jul, 12:00: p50 84 ms, p95 210 ms.',
    );
    expect(describeChart(rate, '24h')).toBe('Tokens per second, last 24 hours: no answers.');
  });
});
