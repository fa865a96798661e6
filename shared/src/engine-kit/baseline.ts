/**
 * The native baseline (BL): what an engine does without the mesh, from three deterministic completions that go
 * straight into it. The collector stands in front of the engine, so it knows of every job the moment it comes: it measures
 * only while there is none, and gives its run up before the job starts.
 */
import { z } from 'zod/mini';
import { MeshError } from '../errors.ts';
import { JobTimer } from '../jobs/job-timer.ts';
import { pause } from '../pause.ts';
import type { Clock } from '../ports/clock.ts';
import type { Embeddings, Engine, EngineEvent, GenerationRequest } from '../ports/engine.ts';
import type { Logger } from '../ports/logger.ts';
import { Baseline } from '../protocol/announcement.ts';

/** Keeps a JSON object per key across restarts. What comes back is checked, so a store may hold anything. */
export interface BaselineStore {
  get(key: string): Promise<unknown>;
  set(key: string, stored: StoredBaseline): Promise<void>;
}

export const StoredBaseline = z.extend(z.omit(Baseline, { ageMs: true }), { measuredAtMs: z.number() });
export type StoredBaseline = z.infer<typeof StoredBaseline>;

export interface BaselineCollectorOptions {
  /** Ready, and used through `BaselineCollector.engine` only. */
  readonly engine: Engine;
  readonly clock: Clock;
  readonly store: BaselineStore;
  readonly logger: Logger;
  /** Shared by the engines of one device; absent: this is the only one. */
  readonly load?: DeviceLoad | undefined;
  /** The kept one first, when there is one, then every one that is measured. */
  onBaseline(baseline: Baseline): void;
}

/** What the engines of one device share: while one of them has a job or is measured, no other is measured. */
export class DeviceLoad {
  jobs = 0;
  measuring = false;
  readonly #waiting = new Set<DeviceWatcher>();

  watch(watcher: DeviceWatcher): () => void {
    this.#waiting.add(watcher);
    return () => this.#waiting.delete(watcher);
  }

  jobBegins(): void {
    this.jobs += 1;
    for (const watcher of this.#waiting) watcher.onBusy();
  }

  jobEnds(): void {
    this.jobs -= 1;
    if (this.jobs === 0) for (const watcher of this.#waiting) watcher.onIdle();
  }
}

interface DeviceWatcher {
  onBusy(): void;
  onIdle(): void;
}

/** Loading leaves caches cold and fans loud; the figures settle in this time. */
const SETTLE_MS = 30_000;
const RENEW_MS = 12 * 3_600_000;
/** A conversation's next turn often comes soon; a run that is begun in between would only be given up. */
const QUIET_MS = 5_000;
/** An engine that failed is asked again when whatever was wrong has had time to pass. */
const FAILED_RETRY_MS = 600_000;
const RUNS = 3;
const BETWEEN_RUNS_MS = 1_000;

export class BaselineCollector {
  /** The engine to serve: the same one, which takes precedence over its measurement. */
  readonly engine: Engine;
  readonly #options: BaselineCollectorOptions;
  readonly #key: string;
  readonly #load: DeviceLoad;
  readonly #unwatch: () => void;
  /** Of this engine. */
  #jobs = 0;
  /** The run in progress; `ended` resolves when the engine has let go of it. */
  #run: { readonly controller: AbortController; readonly ended: Promise<void> } | undefined;
  /** A measurement is due, and waits for the device to be quiet. */
  #due = false;
  #cancelTimer: (() => void) | undefined;
  #closed = false;

  constructor(options: BaselineCollectorOptions) {
    const { engine, load = new DeviceLoad() } = options;
    this.#options = options;
    this.#load = load;
    this.#unwatch = load.watch({
      onBusy: () => this.#run?.controller.abort(),
      onIdle: () => {
        if (this.#due) this.#schedule(QUIET_MS);
      },
    });
    this.#key = `${engine.model.classId} ${engine.model.backend}`;
    this.engine = {
      model: engine.model,
      generate: (request, signal) => this.#generate(request, signal),
      ...(engine.embed === undefined ? {} : { embed: (inputs, signal) => this.#embed(inputs, signal) }),
      onLost: (listener) => engine.onLost(listener),
      close: () => {
        this.close();
        return engine.close();
      },
    };
    void this.#begin();
  }

  /** Gives a run up. The engine stays open; closing `engine` does both. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#unwatch();
    this.#cancelTimer?.();
    this.#run?.controller.abort();
  }

  async *#generate(request: GenerationRequest, signal: AbortSignal): AsyncGenerator<EngineEvent> {
    await this.#jobBegins();
    try {
      yield* this.#options.engine.generate(request, signal);
    } finally {
      this.#jobEnds();
    }
  }

  async #embed(inputs: readonly string[], signal: AbortSignal): Promise<Embeddings> {
    const { engine } = this.#options;
    if (engine.embed === undefined) throw MeshError.unsupportedFeature('embeddings');
    await this.#jobBegins();
    try {
      return await engine.embed(inputs, signal);
    } finally {
      this.#jobEnds();
    }
  }

  async #jobBegins(): Promise<void> {
    this.#jobs += 1;
    this.#load.jobBegins();
    // Within one token, by the engine's contract; with a slot to spare the job need not wait even for that.
    if (this.#jobs >= this.#options.engine.model.slots) await this.#run?.ended;
  }

  #jobEnds(): void {
    this.#jobs -= 1;
    this.#load.jobEnds();
  }

  async #begin(): Promise<void> {
    const { clock, onBaseline } = this.#options;
    const stored = await this.#read();
    if (this.#closed) return;
    const ageMs = stored === undefined ? Number.NaN : clock.wallMs() - stored.measuredAtMs;
    // A clock that was set back makes its age negative, and then it can't be told.
    if (stored === undefined || !(ageMs >= 0)) return this.#schedule(SETTLE_MS);
    const { measuredAtMs: _, ...figures } = stored;
    onBaseline({ ...figures, ageMs });
    this.#schedule(Math.max(SETTLE_MS, RENEW_MS - ageMs));
  }

  #schedule(delayMs: number): void {
    if (this.#closed) return;
    this.#cancelTimer?.();
    this.#cancelTimer = this.#options.clock.after(delayMs, () => {
      this.#due = true;
      if (this.#load.measuring) this.#schedule(QUIET_MS);
      else if (this.#load.jobs === 0) this.#start();
    });
  }

  #start(): void {
    const controller = new AbortController();
    this.#load.measuring = true;
    const ended = this.#measure(controller.signal).finally(() => {
      this.#load.measuring = false;
      this.#run = undefined;
      if (controller.signal.aborted && this.#load.jobs === 0) this.#schedule(QUIET_MS);
    });
    this.#run = { controller, ended };
  }

  /** Never rejects. A run that was given up is due again once the engine is quiet. */
  async #measure(signal: AbortSignal): Promise<void> {
    const { engine, logger, clock, onBaseline } = this.#options;
    const { id } = engine.model;
    try {
      const figures = await this.#figures(signal);
      if (signal.aborted) return;
      this.#due = false;
      if (figures === undefined) {
        logger.info({ model: id }, 'The native baseline gave no figures: the engine answered nothing measurable.');
        return this.#schedule(RENEW_MS);
      }
      this.#schedule(RENEW_MS);
      onBaseline({ ...figures, ageMs: 0 });
      // Not awaited: a job that waits for this run must not wait for a disk.
      void this.#write({ ...figures, measuredAtMs: clock.wallMs() });
    } catch (error) {
      if (signal.aborted) return;
      this.#due = false;
      logger.warn({ model: id, error }, 'The native baseline could not be measured; it is tried again later.');
      this.#schedule(FAILED_RETRY_MS);
    }
  }

  /** Undefined when no run gave a rate, or when the signal ended them. */
  async #figures(signal: AbortSignal): Promise<Omit<Baseline, 'ageMs'> | undefined> {
    const ttfts: number[] = [];
    const rates: number[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      if (run > 0) await pause(this.#options.clock, BETWEEN_RUNS_MS, signal);
      if (signal.aborted) return undefined;
      const measurement = await this.#complete(run, signal);
      if (measurement === undefined || measurement.tokensPerSecond === null) continue;
      ttfts.push(measurement.ttftMs);
      rates.push(measurement.tokensPerSecond);
    }
    if (rates.length === 0) return undefined;
    return { ttftMs: median(ttfts), tokensPerSecond: median(rates), sampleCount: rates.length };
  }

  async #complete(run: number, signal: AbortSignal) {
    const { engine, clock } = this.#options;
    const timer = new JobTimer(clock.monotonicMs());
    for await (const event of engine.generate(requestOf(run), signal)) {
      if (event.type === 'tokens') timer.tokens(clock.monotonicMs(), event.tokenCount);
      else if (event.usageIsGuess) return undefined;
    }
    return timer.measurement();
  }

  async #read(): Promise<StoredBaseline | undefined> {
    const { store, logger, engine } = this.#options;
    try {
      return StoredBaseline.safeParse(await store.get(this.#key)).data;
    } catch (error) {
      logger.warn({ model: engine.model.id, error }, 'The kept baseline could not be read; it is measured anew.');
      return undefined;
    }
  }

  /** Without it the next start measures anew: no reason to lose this one. */
  async #write(stored: StoredBaseline): Promise<void> {
    const { store, logger, engine } = this.#options;
    try {
      await store.set(this.#key, stored);
    } catch (error) {
      logger.warn({ model: engine.model.id, error }, 'The baseline could not be kept; the next start measures anew.');
    }
  }
}

/**
 * Each begins differently: an engine that remembers the last prompt would skip the prefill, and TTFT with it. Stories,
 * because even the smallest models make them long.
 */
const SUBJECTS = ['rivers', 'mountains', 'cities'] as const;

function requestOf(run: number): GenerationRequest {
  const subject = SUBJECTS[run % SUBJECTS.length] ?? SUBJECTS[0];
  return {
    messages: [{ role: 'user', content: `${subject}. Tell me a story about them.` }],
    maxTokens: 128,
    temperature: 0,
    topP: 1,
    seed: 42,
    stop: [],
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
