/**
 * Lending this device: choose, load, serve, hold back, start anew, drain. It belongs to the app, so it goes on while the
 * user chats, and while the tab is hidden.
 */
import {
  type Baseline,
  backoffMs,
  type Clock,
  type Engine,
  type Mesh,
  MeshError,
  pause,
  type Random,
} from '@tabmesh/shared';
import type {
  DeviceReport,
  Expectations,
  LoadProgress,
  ModelOffer,
  ModelSource,
  SpeedStore,
} from '../engines/index.ts';
import { DRAIN_GRACE_MS, MAX_RESTARTS, SOUND_AFTER_MS } from '../limits.ts';
import type { MeshState } from '../mesh/mesh-state.svelte.ts';
import { PAUSE_SWITCHES, type PauseSwitch } from '../settings/pause-switch.ts';
import type { ContributionPhase } from './contribution-phase.ts';
import { type CollectBaseline, Lender } from './lender.ts';
import { pauseReasons, type TabConditions, type TabLifecycle } from './lifecycle.ts';

export type Engines = typeof import('../engines/index.ts');

export interface ContributionOptions {
  readonly mesh: MeshState;
  readonly clock: Clock;
  readonly random: Random;
  readonly lifecycle: TabLifecycle;
  /** What the user wants to pause on, kept by whoever hands it in. */
  readonly preferences: { pauseOn: ReadonlySet<PauseSwitch> };
  readonly loadEngines: () => Promise<Engines>;
  readonly entryUrl: string;
  readonly collectBaseline: (
    engine: Engine,
    mesh: Mesh,
    onBaseline: (baseline: Baseline) => void,
  ) => ReturnType<CollectBaseline>;
  /** Keeps what was measured of this device; absent: nothing is measured, and offers go by memory alone. */
  readonly speedStore?: SpeedStore | undefined;
}

export type DevicePhase =
  | { readonly state: 'probing' }
  /** The short runs that tell how fast it is. */
  | { readonly state: 'measuring'; readonly report: DeviceReport }
  | {
      readonly state: 'ready';
      readonly report: DeviceReport;
      readonly offers: readonly ModelOffer[];
      readonly expectations: Expectations | undefined;
    }
  | { readonly state: 'failed'; readonly message: string };

/** In tokens a second. */
export interface LentRate {
  readonly expected?: number;
  /** Absent until the engine was left alone for half a minute. */
  readonly measured?: number;
}

interface Lent {
  readonly engine: Engine;
  readonly lender: Lender;
  readonly label: string;
  fail(error: unknown): void;
}

export class Contribution {
  phase = $state.raw<ContributionPhase>({ state: 'idle' });
  device = $state.raw<DevicePhase>({ state: 'probing' });
  /** Another tab of this browser holds the one engine. */
  lentElsewhere = $state.raw(false);
  /** Of this tab, as the switches show them. */
  conditions = $state.raw<TabConditions>({ frozen: false, hidden: false, battery: null, metered: null });

  /** Of the model that is lent: what was expected of it, and what its engine does alone. */
  rate = $state.raw<LentRate>({});

  readonly #options: ContributionOptions;
  readonly #unsubscribe: () => void;
  /** What held when the user said 'resume now', until it is over. */
  readonly #overruled = new Set<PauseSwitch>();
  /** Of the lending that goes on; aborting it ends it without grace. */
  #ending: AbortController | undefined;
  #ended: Promise<void> = Promise.resolve();
  #lent: Lent | undefined;
  /** That is lent, unless it is a model of the user's own. */
  #offer: ModelOffer | undefined;

  constructor(options: ContributionOptions) {
    this.#options = options;
    this.conditions = options.lifecycle.conditions();
    this.#unsubscribe = options.lifecycle.onChange(() => this.#follow());
  }

  /** Looks at the device and whether another tab lends. Called whenever the page that shows it opens. */
  async probe({ measureAnew = false } = {}): Promise<void> {
    if (this.device.state === 'failed') this.device = { state: 'probing' };
    try {
      const engines = await this.#options.loadEngines();
      const isFree = this.phase.state === 'idle' || this.phase.state === 'failed';
      if (isFree) {
        const unlock = await engines.claimEngineLock();
        this.lentElsewhere = unlock === undefined;
        unlock?.();
      }
      const report = await engines.probeDevice();
      const expectations = await this.#expectations(engines, report, measureAnew && isFree);
      const offers = await engines.modelOffers(report, this.#options.entryUrl, expectations);
      this.device = { state: 'ready', report, offers, expectations };
    } catch (error) {
      this.device = { state: 'failed', message: sentenceOf(error) };
    }
  }

  /** Undefined where they can't be told: the offers then go by memory alone. */
  async #expectations(engines: Engines, report: DeviceReport, anew: boolean): Promise<Expectations | undefined> {
    const { speedStore, clock } = this.#options;
    if (speedStore === undefined) return undefined;
    const book = new engines.SpeedBook(speedStore);
    if (this.device.state !== 'ready' || anew) this.device = { state: 'measuring', report };
    try {
      return await engines.expectationsOf(report, { book, wallMs: () => clock.wallMs(), anew });
    } catch {
      return undefined;
    }
  }

  /** Resolves when the lending is over, for whatever reason; `phase` tells it. */
  start(source: ModelSource, label: string, slots: number): Promise<void> {
    if (this.phase.state !== 'idle' && this.phase.state !== 'failed') return this.#ended;
    this.phase = { state: 'loading', label, progress: undefined };
    const ending = new AbortController();
    this.#ending = ending;
    this.#offer = offerOf(this.device, source);
    const expected = this.#offer?.expected?.tokensPerSecond;
    this.rate = expected === undefined ? {} : { expected };
    this.#ended = this.#run(source, label, slots, ending.signal);
    return this.#ended;
  }

  /** Gives up loading, or loading anew. */
  cancel(): void {
    if (this.#lent === undefined) this.#ending?.abort(MeshError.cancelled());
  }

  async stop(): Promise<void> {
    if (this.#lent === undefined || this.phase.state === 'draining') return;
    const { lender, label } = this.#lent;
    this.phase = { state: 'draining', label };
    await lender.holdBack(DRAIN_GRACE_MS);
    this.#ending?.abort(MeshError.cancelled());
    await this.#ended;
  }

  /** Serves although there is a reason to pause, until that reason comes anew. */
  resumeNow(): void {
    for (const reason of PAUSE_SWITCHES) if (this.conditions[reason]) this.#overruled.add(reason);
    this.#follow();
  }

  setPauseOn(reason: PauseSwitch, isOn: boolean): void {
    const pauseOn = new Set(this.#options.preferences.pauseOn);
    if (isOn) pauseOn.add(reason);
    else pauseOn.delete(reason);
    this.#options.preferences.pauseOn = pauseOn;
    this.#overruled.delete(reason);
    this.#follow();
  }

  /** For a page that goes: whose answers run here hears it within this call. */
  async close(): Promise<void> {
    this.#unsubscribe();
    this.#options.lifecycle.close();
    void this.#lent?.lender.holdBack(0);
    this.#ending?.abort(MeshError.cancelled());
    await this.#ended;
  }

  async #run(source: ModelSource, label: string, slots: number, signal: AbortSignal): Promise<void> {
    let unlock: (() => void) | undefined;
    let next: ContributionPhase = { state: 'idle' };
    try {
      const engines = await this.#options.loadEngines();
      unlock = await engines.claimEngineLock();
      this.lentElsewhere = unlock === undefined;
      signal.throwIfAborted();
      const load = (onProgress: (progress: LoadProgress) => void) =>
        engines.loadEngine(source, { slots, onProgress, signal });
      if (unlock !== undefined) await this.#lend(load, label, signal);
    } catch (error) {
      const served = this.phase.state !== 'loading';
      if (!signal.aborted) next = { state: 'failed', label, served, message: sentenceOf(error) };
    }
    unlock?.();
    this.phase = next;
  }

  /** Until the signal; an engine that breaks is loaded anew after growing pauses, and given up when it goes on breaking. */
  async #lend(
    load: (onProgress: (progress: LoadProgress) => void) => Promise<Engine>,
    label: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, random } = this.#options;
    let restarts = 0;
    const onProgress = (progress: LoadProgress) => {
      if (restarts === 0 && !signal.aborted) this.phase = { state: 'loading', label, progress };
    };
    const onBroken = (error: unknown, servedMs: number) => {
      restarts = servedMs >= SOUND_AFTER_MS ? 1 : restarts + 1;
      const message = sentenceOf(error);
      this.phase = { state: 'restarting', label, message, attempt: restarts, mostAttempts: MAX_RESTARTS };
      if (restarts > MAX_RESTARTS) throw givenUp(error);
    };
    for (;;) {
      if (restarts > 0) await pause(clock, backoffMs(restarts - 1, random), signal);
      signal.throwIfAborted();
      let engine: Engine;
      try {
        engine = await load(onProgress);
      } catch (error) {
        if (signal.aborted || restarts === 0) throw error;
        onBroken(error, 0);
        continue;
      }
      await this.#serve(engine, label, signal, onBroken);
      if (signal.aborted) return;
    }
  }

  /** Resolves when the engine is closed: the signal ended it, or it broke. */
  async #serve(
    engine: Engine,
    label: string,
    signal: AbortSignal,
    onBroken: (error: unknown, servedMs: number) => void,
  ): Promise<void> {
    const { clock } = this.#options;
    const collectBaseline: CollectBaseline = (measured, joined) =>
      this.#options.collectBaseline(measured, joined, ({ tokensPerSecond }) => this.#learn(measured, tokensPerSecond));
    const mesh = await this.#options.mesh.started();
    const startedMs = clock.monotonicMs();
    const lender = new Lender({ engine, mesh, collectBaseline, onChange: () => this.#show() });
    let unsubscribe = () => {};
    try {
      const error = await new Promise<unknown>((resolve) => {
        const fail = (reason: unknown) => resolve(reason);
        const unsubscribeLost = engine.onLost(fail);
        signal.addEventListener('abort', fail);
        unsubscribe = () => {
          unsubscribeLost();
          signal.removeEventListener('abort', fail);
        };
        if (signal.aborted) fail(signal.reason);
        this.#lent = { engine, lender, label, fail };
        this.#follow();
      });
      this.#lent = undefined;
      if (!signal.aborted) onBroken(error, clock.monotonicMs() - startedMs);
    } finally {
      this.#lent = undefined;
      unsubscribe();
      await lender.close();
    }
  }

  /** What a model reached on this device is what is expected of it from now on, and tells of others. */
  #learn({ model }: Engine, measured: number): void {
    this.rate = { ...this.rate, measured };
    const { device } = this;
    const { speedStore } = this.#options;
    if (device.state !== 'ready' || speedStore === undefined) return;
    const { gpu, cpu } = device.expectations ?? {};
    const expectation = /WebGPU/.test(model.backend) ? gpu : cpu;
    if (expectation === undefined) return;
    const { id = model.id, sizeBytes = model.sizeBytes } = this.#offer ?? {};
    void this.#options.loadEngines().then(({ learnedRate, SpeedBook }) => {
      new SpeedBook(speedStore).keepRate(learnedRate(id, sizeBytes, expectation, measured));
    });
  }

  /** Brings the engine to where the conditions want it. */
  #follow(): void {
    this.conditions = this.#options.lifecycle.conditions();
    for (const reason of this.#overruled) if (!this.conditions[reason]) this.#overruled.delete(reason);
    const lent = this.#lent;
    if (lent === undefined || this.phase.state === 'draining') return;
    const reasons = this.#reasons();
    const graceMs = reasons.includes('frozen') ? 0 : DRAIN_GRACE_MS;
    const turned = reasons.length === 0 ? lent.lender.lend() : lent.lender.holdBack(graceMs);
    turned.catch(lent.fail);
    this.#show();
  }

  #show(): void {
    const lent = this.#lent;
    if (lent === undefined || this.phase.state === 'draining') return;
    const { engine, lender, label } = lent;
    const reasons = this.#reasons();
    if (reasons.length > 0) this.phase = { state: 'paused', label, reasons };
    else if (lender.state === 'serving') this.phase = { state: 'serving', label, engine };
    else if (this.phase.state === 'paused') this.phase = { state: 'paused', label, reasons };
  }

  #reasons() {
    return pauseReasons(this.conditions, this.#options.preferences.pauseOn, this.#overruled);
  }
}

function offerOf(device: DevicePhase, source: ModelSource): ModelOffer | undefined {
  return device.state === 'ready' ? device.offers.find((offer) => offer.source === source) : undefined;
}

function givenUp(error: unknown): MeshError {
  return new MeshError(
    'engine_failed',
    `It broke ${MAX_RESTARTS + 1} times in a row, the last time with this: ${sentenceOf(error)} Close other tabs or choose a smaller model, then start again.`,
    { cause: error },
  );
}

function sentenceOf(error: unknown): string {
  if (MeshError.is(error)) return error.message;
  const reason = error instanceof Error ? error.message : String(error);
  return `The engine could not be used (${reason}). Reload the page and try again.`;
}
