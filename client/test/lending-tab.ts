/** A tab that lends scripted engines to a virtual mesh. */
import { BaselineCollector, type Engine, MeshError, type ModelId, silentLogger } from '@tabmesh/shared';
import { createScriptedEngine, createSeededRandom, VirtualMesh } from '@tabmesh/shared/testing';
import type { ModelSource } from '../src/engines/index.ts';
import { expectationsOf, learnedRate } from '../src/engines/speed/expectations.ts';
import { SpeedBook, type SpeedStore } from '../src/engines/speed/speed-book.ts';
import { Contribution, type Engines } from '../src/lend/contribution.svelte.ts';
import { watchTab } from '../src/lend/lifecycle-page.ts';
import { createBaselineStorage } from '../src/mesh/baseline-storage.ts';
import { MeshState } from '../src/mesh/mesh-state.svelte.ts';
import type { PauseSwitch } from '../src/settings/pause-switch.ts';
import { createScriptedTab } from './scripted-tab.ts';

export const source: ModelSource = { kind: 'gguf-url', id: 'scripted-model', url: 'https://example.org/model.gguf' };

const report = {
  webgpu: { available: false, features: [] },
  memoryBytes: null,
  threads: 2,
  crossOriginIsolated: true,
  storageFreeBytes: null,
};

export function createLendingTab(
  overrides: Partial<Engines> = {},
  pauseOn: readonly PauseSwitch[] = [],
  speedStore?: SpeedStore,
) {
  const virtual = new VirtualMesh();
  const { clock } = virtual;
  const tab = createScriptedTab();
  const log: string[] = [];
  /** Of the engine that is loaded now. */
  let lose = (_error: MeshError) => {};

  function loadScripted(): Engine {
    const engine = createScriptedEngine({ clock, scenario: 'steady', tokenIntervalMs: 100, tokens: 40 });
    const lost = new AbortController();
    lose = (error) => lost.abort(error);
    log.push('loaded');
    return {
      ...engine,
      async *generate(request, signal) {
        try {
          yield* engine.generate(request, AbortSignal.any([signal, lost.signal]));
        } catch (error) {
          throw lost.signal.aborted ? lost.signal.reason : error;
        }
      },
      onLost(listener) {
        const tell = () => listener(lost.signal.reason);
        lost.signal.addEventListener('abort', tell);
        return () => lost.signal.removeEventListener('abort', tell);
      },
      async close() {
        log.push('closed');
        await engine.close();
      },
    };
  }

  let engines: Engines = {
    probeDevice: async () => report,
    modelOffers: async () => [],
    expectationsOf,
    learnedRate,
    SpeedBook,
    claimEngineLock: async () => () => void log.push('unlocked'),
    loadEngine: async (_source, { onProgress }) => {
      onProgress({ phase: 'download', loadedBytes: 1, totalBytes: 2, bytesPerSecond: 1 });
      return loadScripted();
    },
    ...overrides,
  };
  const member = virtual.member('alice');
  const mesh = new MeshState(Promise.resolve(member), clock);
  const preferences = { pauseOn: new Set(pauseOn) as ReadonlySet<PauseSwitch> };
  const contribution = new Contribution({
    mesh,
    clock,
    random: createSeededRandom(1),
    lifecycle: watchTab(tab.page),
    preferences,
    loadEngines: async () => engines,
    entryUrl: 'https://entry.example',
    speedStore,
    collectBaseline: async (loaded, joined, onBaseline) =>
      new BaselineCollector({
        engine: loaded,
        clock,
        store: createBaselineStorage(undefined),
        logger: silentLogger,
        onBaseline(baseline) {
          joined.setBaseline(loaded.model.id, baseline);
          onBaseline(baseline);
        },
      }),
  });

  return {
    virtual,
    clock,
    tab,
    log,
    mesh,
    member,
    preferences,
    contribution,
    lose: (reason = 'the GPU was lost') => lose(MeshError.engineFailed(reason)),
    engines: () => engines,
    override(others: Partial<Engines>) {
      engines = { ...engines, ...others };
    },
    phase: () => contribution.phase.state,
    served: (): ModelId[] => mesh.models.map(({ id }) => id),
    async start() {
      void contribution.start(source, 'scripted-model', 2);
      await clock.advance(1_000);
    },
    async close() {
      const closed = contribution.close();
      await clock.advance(10_000);
      await closed;
      await virtual.close();
    },
  };
}
