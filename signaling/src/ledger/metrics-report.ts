/** The ledger's sums as the figures that `/api/metrics` and the web app's page show. */
import { type ModelId, type PeerId, peerName } from '@tabmesh/shared';
import { MAX_METRICS_PEERS } from '../limits/limits.ts';
import type { Ledger } from './ledger.ts';
import { type CountRow, DAY_MS, HOUR_MS, type Milestone } from './ledger-storage.ts';
import { LogHistogram } from './log-histogram.ts';

export type MetricsRange = '24h' | '7d' | '30d';

export interface AnswerCounts {
  readonly mesh: number;
  readonly fallback: number;
  readonly failed: number;
}

export interface MeshShare extends AnswerCounts {
  /** Served by the mesh ÷ all, 0 to 1; null of nothing. */
  readonly share: number | null;
}

export interface SpeedFigures {
  readonly ttftP50Ms: number | null;
  readonly ttftP95Ms: number | null;
  readonly tokensPerSecondP50: number | null;
  readonly tokensPerSecondP95: number | null;
}

export interface MetricsReport {
  readonly range: MetricsRange;
  /** Null: all models. */
  readonly model: string | null;
  /** Rolling, in steps of an hour: the one that runs and the 23 (167) before it. */
  readonly share: { readonly day: MeshShare; readonly week: MeshShare };
  /** Since Monday 00:00 UTC. */
  readonly week: MeshShare &
    SpeedFigures & {
      readonly startMs: number;
      readonly tokens: number;
      readonly models: readonly (SpeedFigures & { readonly model: string; readonly answers: number })[];
      /** Most tokens first, at most `MAX_METRICS_PEERS`. */
      readonly peers: readonly { readonly peerId: string; readonly name: string; readonly tokens: number }[];
    };
  /** The first answer of each model, oldest first. */
  readonly milestones: readonly Milestone[];
  /** Every hour of the range, oldest first, the quiet ones included. `hour`: its start, Unix milliseconds. */
  readonly series: readonly (AnswerCounts & SpeedFigures & { readonly hour: number })[];
}

const RANGE_HOURS: Record<MetricsRange, number> = { '24h': 24, '7d': 168, '30d': 720 };
/** 1 January 1970 was a Thursday. */
const FIRST_MONDAY_AT_MS = 4 * DAY_MS;

export async function metricsReport(
  ledger: Pick<Ledger, 'read' | 'milestones'>,
  nowMs: number,
  { range, model }: { readonly range: MetricsRange; readonly model?: ModelId | undefined },
): Promise<MetricsReport> {
  const nextHourAtMs = (Math.floor(nowMs / HOUR_MS) + 1) * HOUR_MS;
  const rangeStartAtMs = nextHourAtMs - RANGE_HOURS[range] * HOUR_MS;
  const dayStartAtMs = nextHourAtMs - DAY_MS;
  const weekStartAtMs = nextHourAtMs - 7 * DAY_MS;
  const mondayStartAtMs = nowMs - ((nowMs - FIRST_MONDAY_AT_MS) % (7 * DAY_MS));

  const rows = await ledger.read(Math.min(rangeStartAtMs, weekStartAtMs, mondayStartAtMs), ['answers', 'ttft', 'rate']);
  const served = await ledger.read(mondayStartAtMs, ['tokens-served']);
  const day = new Tally();
  const rollingWeek = new Tally();
  const week = new Tally();
  const models = new Map<string, Tally>();
  const hours = new Map<number, Tally>();
  for (let hour = rangeStartAtMs; hour < nextHourAtMs; hour += HOUR_MS) hours.set(hour, new Tally());
  for (const row of rows) {
    if (row.kind === 'answers' && row.startMs >= weekStartAtMs) rollingWeek.add(row);
    if (row.kind === 'answers' && row.startMs >= dayStartAtMs) day.add(row);
    if (row.startMs >= mondayStartAtMs) {
      week.add(row);
      if (row.model !== '') tallyOf(models, row.model).add(row);
    }
    if (model === undefined || row.model === model) hours.get(row.startMs)?.add(row);
  }
  const peers = tokensPerPeer(served);
  return {
    range,
    model: model ?? null,
    share: { day: day.share(), week: rollingWeek.share() },
    week: {
      startMs: mondayStartAtMs,
      ...week.share(),
      ...week.speed(),
      tokens: peers.reduce((sum, { tokens }) => sum + tokens, 0),
      models: [...models]
        .map(([name, tally]) => ({ model: name, answers: tally.answers(), ...tally.speed() }))
        .sort((a, b) => b.answers - a.answers),
      peers: peers.slice(0, MAX_METRICS_PEERS),
    },
    milestones: await ledger.milestones(),
    series: [...hours].map(([hour, tally]) => ({ hour, ...tally.counts(), ...tally.speed() })),
  };
}

class Tally {
  #mesh = 0;
  #fallback = 0;
  #failed = 0;
  readonly #ttft = new LogHistogram();
  readonly #rate = new LogHistogram();

  add({ kind, detail, n }: CountRow): void {
    if (kind === 'ttft') this.#ttft.add(detail, n);
    else if (kind === 'rate') this.#rate.add(detail, n);
    else if (detail === 'mesh') this.#mesh += n;
    else if (detail === 'fallback') this.#fallback += n;
    else if (detail === 'failed') this.#failed += n;
  }

  answers(): number {
    return this.#mesh + this.#fallback + this.#failed;
  }

  counts(): AnswerCounts {
    return { mesh: this.#mesh, fallback: this.#fallback, failed: this.#failed };
  }

  share(): MeshShare {
    return { ...this.counts(), share: this.answers() === 0 ? null : this.#mesh / this.answers() };
  }

  speed(): SpeedFigures {
    const [ttftP50Ms, ttftP95Ms] = this.#ttft.percentiles([0.5, 0.95] as const);
    const [tokensPerSecondP50, tokensPerSecondP95] = this.#rate.percentiles([0.5, 0.95] as const);
    return { ttftP50Ms, ttftP95Ms, tokensPerSecondP50, tokensPerSecondP95 };
  }
}

function tallyOf(tallies: Map<string, Tally>, key: string): Tally {
  const known = tallies.get(key);
  if (known !== undefined) return known;
  const tally = new Tally();
  tallies.set(key, tally);
  return tally;
}

function tokensPerPeer(rows: readonly CountRow[]) {
  const tokens = new Map<string, number>();
  for (const { detail, n } of rows) tokens.set(detail, (tokens.get(detail) ?? 0) + n);
  return [...tokens]
    .sort(([, a], [, b]) => b - a)
    .map(([peerId, sum], place) => ({
      peerId,
      // A name costs a hash, and only the first are shown.
      name: place < MAX_METRICS_PEERS ? peerName(peerId as PeerId) : '',
      tokens: sum,
    }));
}
