/** What the metrics page shows: the newest report for the chosen range and model, read again each minute that it is seen. */
import { type Clock, MeshError } from '@tabmesh/shared';
import { METRICS_REFRESH_INTERVAL_MS } from '../limits.ts';
import type { MetricsQuery, MetricsRange, MetricsReport } from './metrics-report.ts';

export type MetricsPhase =
  | { readonly state: 'loading' }
  | { readonly state: 'failed'; readonly message: string }
  | {
      readonly state: 'ready';
      readonly report: MetricsReport;
      readonly readAtMs: number;
      /** Why it was not renewed; what is shown is as old as it says. */
      readonly problem: string | undefined;
    };

/** The part of a document's visibility that this needs. */
export interface PageVisibility {
  visible(): boolean;
  /** Returns the unsubscribe. */
  onVisible(listener: () => void): () => void;
}

export interface MetricsParts {
  readonly read: (query: MetricsQuery, signal: AbortSignal) => Promise<MetricsReport>;
  readonly clock: Clock;
  readonly visibility: PageVisibility;
}

export class Metrics {
  phase = $state.raw<MetricsPhase>({ state: 'loading' });
  /** A report is on its way. */
  reading = $state.raw(false);
  #query = $state.raw<MetricsQuery>({ range: '24h', model: undefined });
  readonly #parts: MetricsParts;
  readonly #unsubscribe: () => void;
  #controller = new AbortController();
  #cancelTimer = () => {};
  #due = false;
  #closed = false;

  constructor(parts: MetricsParts) {
    this.#parts = parts;
    this.#unsubscribe = parts.visibility.onVisible(() => {
      if (this.#due) void this.refresh();
    });
    void this.refresh();
  }

  get range(): MetricsRange {
    return this.#query.range;
  }

  set range(range: MetricsRange) {
    this.#ask({ ...this.#query, range });
  }

  /** Undefined: all models. */
  get model(): string | undefined {
    return this.#query.model;
  }

  set model(model: string | undefined) {
    this.#ask({ ...this.#query, model });
  }

  /** Reads now; what was being read before is forgotten. */
  async refresh(): Promise<void> {
    if (this.#closed) return;
    const { clock, read } = this.#parts;
    this.#cancelTimer();
    this.#due = false;
    this.#controller.abort(MeshError.cancelled());
    this.#controller = new AbortController();
    const { signal } = this.#controller;
    this.reading = true;
    const next = await read(this.#query, signal).then(
      (report): MetricsPhase => ({ state: 'ready', report, readAtMs: clock.wallMs(), problem: undefined }),
      (error: unknown) => this.#afterFailure(error instanceof Error ? error.message : String(error)),
    );
    if (signal.aborted) return;
    this.phase = next;
    this.reading = false;
    this.#cancelTimer = clock.after(METRICS_REFRESH_INTERVAL_MS, () => this.#onDue());
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    this.#cancelTimer();
    this.#controller.abort(MeshError.cancelled());
  }

  #ask(query: MetricsQuery): void {
    if (query.range === this.#query.range && query.model === this.#query.model) return;
    this.#query = query;
    void this.refresh();
  }

  /** An older report is worth more than none. */
  #afterFailure(message: string): MetricsPhase {
    return this.phase.state === 'ready' ? { ...this.phase, problem: message } : { state: 'failed', message };
  }

  /** Nobody looks at a hidden page: it catches up when it is shown. */
  #onDue(): void {
    if (this.#parts.visibility.visible()) void this.refresh();
    else this.#due = true;
  }
}
