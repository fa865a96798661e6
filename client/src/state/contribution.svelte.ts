/**
 * Lending this device: choose, load, serve, drain. It belongs to the app, so it goes on while the user chats.
 */
import { type BaselineCollector, type Engine, type Mesh, MeshError } from '@tabmesh/shared';
import type { DeviceReport, LoadProgress, ModelOffer, ModelSource } from '../engines/index.ts';
import type { MeshState } from './mesh-state.svelte.ts';

export type Engines = typeof import('../engines/index.ts');

/** Stands in front of an engine and measures it while it has nothing to do. */
export type CollectBaseline = (engine: Engine, mesh: Mesh) => Promise<Pick<BaselineCollector, 'engine' | 'close'>>;

export type ContributionPhase =
  | { readonly state: 'idle' }
  | {
      readonly state: 'loading';
      readonly label: string;
      readonly progress: LoadProgress | undefined;
    }
  | {
      readonly state: 'serving';
      readonly label: string;
      readonly engine: Engine;
    }
  | { readonly state: 'draining'; readonly label: string }
  | {
      readonly state: 'failed';
      readonly label: string;
      readonly message: string;
    };

export type DevicePhase =
  | { readonly state: 'probing' }
  | {
      readonly state: 'ready';
      readonly report: DeviceReport;
      readonly offers: readonly ModelOffer[];
    }
  | { readonly state: 'failed'; readonly message: string };

/** How long answers that run here may go on after Stop. */
const DRAIN_GRACE_MS = 10_000;

export class Contribution {
  phase = $state.raw<ContributionPhase>({ state: 'idle' });
  device = $state.raw<DevicePhase>({ state: 'probing' });
  /** Another tab of this browser holds the one engine. */
  lentElsewhere = $state.raw(false);

  readonly #mesh: MeshState;
  readonly #loadEngines: () => Promise<Engines>;
  readonly #entryUrl: string;
  readonly #collectBaseline: CollectBaseline;
  #loading: AbortController | undefined;
  /** Takes down what serves, without waiting for answers. */
  #release: (() => Promise<void>) | undefined;

  constructor(
    mesh: MeshState,
    loadEngines: () => Promise<Engines>,
    entryUrl: string,
    collectBaseline: CollectBaseline,
  ) {
    this.#mesh = mesh;
    this.#loadEngines = loadEngines;
    this.#entryUrl = entryUrl;
    this.#collectBaseline = collectBaseline;
  }

  /** Looks at the device and whether another tab lends. Called whenever the page that shows it opens. */
  async probe(): Promise<void> {
    if (this.device.state === 'failed') this.device = { state: 'probing' };
    try {
      const engines = await this.#loadEngines();
      if (this.phase.state === 'idle' || this.phase.state === 'failed') {
        const unlock = await engines.claimEngineLock();
        this.lentElsewhere = unlock === undefined;
        unlock?.();
      }
      const report = await engines.probeDevice();
      this.device = {
        state: 'ready',
        report,
        offers: await engines.modelOffers(report, this.#entryUrl),
      };
    } catch (error) {
      this.device = { state: 'failed', message: sentenceOf(error) };
    }
  }

  async start(source: ModelSource, label: string, slots: number): Promise<void> {
    if (this.phase.state !== 'idle' && this.phase.state !== 'failed') return;
    this.phase = { state: 'loading', label, progress: undefined };
    const loading = new AbortController();
    this.#loading = loading;
    let unlock: (() => void) | undefined;
    try {
      const engines = await this.#loadEngines();
      unlock = await engines.claimEngineLock();
      this.lentElsewhere = unlock === undefined;
      if (unlock === undefined) {
        this.phase = { state: 'idle' };
        return;
      }
      loading.signal.throwIfAborted();
      const onProgress = (progress: LoadProgress) => {
        if (this.#loading === loading) this.phase = { state: 'loading', label, progress };
      };
      const engine = await engines.loadEngine(source, {
        slots,
        onProgress,
        signal: loading.signal,
      });
      await this.#serve(engine, label, unlock);
    } catch (error) {
      unlock?.();
      this.phase = loading.signal.aborted ? { state: 'idle' } : { state: 'failed', label, message: sentenceOf(error) };
    } finally {
      this.#loading = undefined;
    }
  }

  cancel(): void {
    this.#loading?.abort(MeshError.cancelled());
  }

  async stop(): Promise<void> {
    if (this.phase.state !== 'serving') return;
    const { engine, label } = this.phase;
    this.phase = { state: 'draining', label };
    const mesh = await this.#mesh.started();
    try {
      await mesh.removeEngine(engine, DRAIN_GRACE_MS);
    } finally {
      await this.#release?.();
      this.phase = { state: 'idle' };
    }
  }

  async close(): Promise<void> {
    this.cancel();
    await this.#release?.();
  }

  async #serve(loaded: Engine, label: string, unlock: () => void): Promise<void> {
    const mesh = await this.#mesh.started();
    const collector = await this.#collectBaseline(loaded, mesh);
    const { engine } = collector;
    const unsubscribe = engine.onLost(async (error) => {
      this.phase = { state: 'failed', label, message: sentenceOf(error) };
      await mesh.removeEngine(engine, 0);
      await this.#release?.();
    });
    this.#release = async () => {
      this.#release = undefined;
      unsubscribe();
      collector.close();
      mesh.setBaseline(engine.model.id, null);
      await engine.close();
      unlock();
    };
    mesh.addEngine(engine);
    this.phase = { state: 'serving', label, engine };
  }
}

function sentenceOf(error: unknown): string {
  if (MeshError.is(error)) return error.message;
  const reason = error instanceof Error ? error.message : String(error);
  return `The engine could not be used (${reason}). Reload the page and try again.`;
}
