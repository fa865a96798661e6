import { BaselineCollector, type Engine, MeshError, silentLogger } from '@tabmesh/shared';
import { createScriptedEngine, VirtualMesh } from '@tabmesh/shared/testing';
import { afterEach, describe, expect, it } from 'vitest';
import type { ModelSource } from '../src/engines/index.ts';
import { type CollectBaseline, Contribution, type Engines } from '../src/state/contribution.svelte.ts';
import { MeshState } from '../src/state/mesh-state.svelte.ts';
import { createBaselineStorage } from '../src/storage/baseline-storage.ts';

const source: ModelSource = { kind: 'gguf-url', id: 'scripted-model', url: 'https://example.org/model.gguf' };
const report = {
  webgpu: { available: false, features: [] },
  memoryBytes: null,
  threads: 2,
  crossOriginIsolated: true,
  storageFreeBytes: null,
};

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function setUp(overrides: Partial<Engines> = {}) {
  const virtual = new VirtualMesh();
  const engine = createScriptedEngine({ clock: virtual.clock, scenario: 'steady' });
  const log: string[] = [];
  const lost = new Set<(error: Error) => void>();
  const lent: Engine = {
    ...engine,
    onLost(listener) {
      lost.add(listener);
      return () => lost.delete(listener);
    },
    async close() {
      log.push('closed');
      await engine.close();
    },
  };
  const engines: Engines = {
    probeDevice: async () => report,
    modelOffers: async () => [],
    claimEngineLock: async () => () => void log.push('unlocked'),
    loadEngine: async (_source, { onProgress }) => {
      onProgress({ phase: 'download', loadedBytes: 1, totalBytes: 2, bytesPerSecond: 1 });
      return lent;
    },
    ...overrides,
  };
  const mesh = new MeshState(Promise.resolve(virtual.member('alice')), virtual.clock);
  closing.push(() => virtual.close());
  const collectBaseline: CollectBaseline = async (loaded, joined) =>
    new BaselineCollector({
      engine: loaded,
      clock: virtual.clock,
      store: createBaselineStorage(undefined),
      logger: silentLogger,
      onBaseline: (baseline) => joined.setBaseline(loaded.model.id, baseline),
    });
  const contribution = new Contribution(mesh, async () => engines, 'https://entry.example', collectBaseline);
  return { clock: virtual.clock, mesh, contribution, log, lost };
}

describe('lending', () => {
  it('UI27: a loaded engine serves until Stop, which drains, closes it and lets other tabs lend', async () => {
    const { clock, mesh, contribution, log } = setUp();
    await contribution.start(source, 'scripted-model', 2);
    await clock.advance(1_000);
    expect(contribution.phase.state).toBe('serving');
    expect(mesh.models.map(({ id }) => id)).toEqual(['scripted-model']);

    const stopping = contribution.stop();
    expect(contribution.phase.state).toBe('draining');
    await clock.advance(10_000);
    await stopping;
    expect(contribution.phase.state).toBe('idle');
    expect(mesh.models).toEqual([]);
    expect(log).toEqual(['closed', 'unlocked']);
  });

  it('BL14: a tab publishes what its engine does alone, until it stops lending', async () => {
    const { clock, mesh, contribution } = setUp();
    const baseline = () => mesh.peers[0]?.announcement.models[0]?.baseline;
    await contribution.start(source, 'scripted-model', 2);
    await clock.advance(1_000);
    expect(baseline()).toBeNull();
    await clock.advance(40_000);
    expect(baseline()).toMatchObject({ ttftMs: 20, sampleCount: 3 });

    const stopping = contribution.stop();
    await clock.advance(10_000);
    await stopping;
    await contribution.start(source, 'scripted-model', 2);
    await clock.advance(1_000);
    expect(baseline()).toBeNull();
  });

  it('UI28: while another tab of this browser lends, this one does not load', async () => {
    const { contribution } = setUp({
      claimEngineLock: async () => undefined,
      loadEngine: async () => {
        throw new Error('must not load');
      },
    });
    await contribution.start(source, 'scripted-model', 2);
    expect(contribution.lentElsewhere).toBe(true);
    expect(contribution.phase.state).toBe('idle');
  });

  it('UI29: Cancel ends the loading, also before the download began, and lets other tabs lend', async () => {
    const { contribution, log } = setUp({
      loadEngine: (_source, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(MeshError.cancelled()))),
    });
    const starting = contribution.start(source, 'scripted-model', 2);
    contribution.cancel();
    await starting;
    expect(contribution.phase.state).toBe('idle');
    expect(log).toEqual(['unlocked']);
  });

  it('UI30: a model that can not be loaded says why, and another can be tried', async () => {
    const { contribution, log } = setUp({
      loadEngine: async () => {
        throw MeshError.modelInvalid('The file is no GGUF.');
      },
    });
    await contribution.start(source, 'broken', 2);
    expect(contribution.phase).toEqual({ state: 'failed', label: 'broken', message: 'The file is no GGUF.' });
    expect(log).toEqual(['unlocked']);
  });

  it('UI31: an engine that is lost is taken out of the mesh and its lock is released', async () => {
    const { clock, mesh, contribution, log, lost } = setUp();
    await contribution.start(source, 'scripted-model', 2);
    await clock.advance(1_000);
    for (const listener of lost) listener(MeshError.engineFailed('the GPU was lost'));
    await clock.advance(1_000);
    expect(contribution.phase).toMatchObject({ state: 'failed', message: 'The engine failed: the GPU was lost.' });
    expect(mesh.models).toEqual([]);
    expect(log).toEqual(['closed', 'unlocked']);
  });

  it('UI32: a device that can not be looked at says why', async () => {
    const { contribution } = setUp({
      probeDevice: async () => {
        throw new Error('no worker');
      },
    });
    await contribution.probe();
    expect(contribution.device).toMatchObject({ state: 'failed' });
  });
});
