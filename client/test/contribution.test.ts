import { MeshError } from '@tabmesh/shared';
import { afterEach, describe, expect, it } from 'vitest';
import type { ModelOffer } from '../src/engines/index.ts';
import { expectationsOf } from '../src/engines/speed/expectations.ts';
import type { Engines } from '../src/lend/contribution.svelte.ts';
import { createSpeedStore } from '../src/lend/speed-store.ts';
import { createLendingTab, source } from './lending-tab.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function setUp(overrides: Partial<Engines> = {}) {
  const lending = createLendingTab(overrides);
  closing.push(lending.close);
  return lending;
}

describe('lending', () => {
  it('UI27: a loaded engine serves until Stop, which drains, closes it and lets other tabs lend', async () => {
    const { clock, contribution, log, start, served, phase } = setUp();
    await start();
    expect(phase()).toBe('serving');
    expect(served()).toEqual(['scripted-model']);

    const stopping = contribution.stop();
    expect(phase()).toBe('draining');
    await clock.advance(10_000);
    await stopping;
    expect(phase()).toBe('idle');
    expect(served()).toEqual([]);
    expect(log).toEqual(['loaded', 'closed', 'unlocked']);
  });

  it('BL14: a tab publishes what its engine does alone, until it stops lending', async () => {
    const { clock, mesh, contribution, start } = setUp();
    const baseline = () => mesh.peers[0]?.announcement.models[0]?.baseline;
    await start();
    expect(baseline()).toBeNull();
    await clock.advance(60_000);
    expect(baseline()).toMatchObject({ ttftMs: 20, sampleCount: 3 });

    const stopping = contribution.stop();
    await clock.advance(10_000);
    await stopping;
    await start();
    expect(baseline()).toBeNull();
  });

  it('UI28: while another tab of this browser lends, this one does not load', async () => {
    const { contribution, phase } = setUp({
      claimEngineLock: async () => undefined,
      loadEngine: async () => {
        throw new Error('must not load');
      },
    });
    await contribution.start(source, 'scripted-model', 2);
    expect(contribution.lentElsewhere).toBe(true);
    expect(phase()).toBe('idle');
  });

  it('UI29: Cancel ends the loading, also before the download began, and lets other tabs lend', async () => {
    const { contribution, log, phase } = setUp({
      loadEngine: (_source, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(MeshError.cancelled()))),
    });
    const starting = contribution.start(source, 'scripted-model', 2);
    contribution.cancel();
    await starting;
    expect(phase()).toBe('idle');
    expect(log).toEqual(['unlocked']);
  });

  it('UI30: a model that can not be loaded says why, and another can be tried', async () => {
    const { contribution, log } = setUp({
      loadEngine: async () => {
        throw MeshError.modelInvalid('The file is no GGUF.');
      },
    });
    await contribution.start(source, 'broken', 2);
    expect(contribution.phase).toEqual({
      state: 'failed',
      label: 'broken',
      served: false,
      message: 'The file is no GGUF.',
    });
    expect(log).toEqual(['unlocked']);
  });

  it('UI31: an engine that is lost is taken out of the mesh, and its lock is released when it is given up', async () => {
    const { clock, contribution, log, start, served, lose } = setUp();
    await start();
    lose();
    await clock.advance(50);
    expect(contribution.phase).toMatchObject({ state: 'restarting', message: 'The engine failed: the GPU was lost.' });
    expect(served()).toEqual([]);
    expect(log).toEqual(['loaded', 'closed']);
    contribution.cancel();
    await clock.advance(1);
    expect(log).toEqual(['loaded', 'closed', 'unlocked']);
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

describe('how fast it should be', () => {
  const offer: ModelOffer = {
    id: 'scripted',
    label: 'scripted',
    source,
    engine: 'wllama',
    sizeBytes: 2e9,
    fits: true,
    recommended: true,
    expected: { tokensPerSecond: 12 },
  };

  function setUpMeasured() {
    const runs: string[] = [];
    const measure = {
      gpu: async () => undefined,
      async cpu() {
        runs.push('cpu');
        return { memoryBytesPerSecond: 40e9, operationsPerSecond: 1e12, tokenOverheadMs: 0 };
      },
    };
    const lending = createLendingTab(
      {
        modelOffers: async () => [offer],
        expectationsOf: (report, options) => expectationsOf(report, { ...options, measure }),
      },
      [],
      createSpeedStore(undefined),
    );
    closing.push(lending.close);
    const ready = () => {
      const { device } = lending.contribution;
      if (device.state !== 'ready') throw new Error(device.state);
      return device;
    };
    return { ...lending, runs, ready };
  }

  it('LC19: a device is measured once, and again when its user wants it, but not while it lends', async () => {
    const { contribution, runs, start, ready } = setUpMeasured();
    const states: string[] = [];
    const probing = contribution.probe();
    while (contribution.device.state !== 'ready') {
      if (states.at(-1) !== contribution.device.state) states.push(contribution.device.state);
      await Promise.resolve();
    }
    await probing;
    expect(states).toEqual(['probing', 'measuring']);
    expect(ready().expectations?.cpu.speed.memoryBytesPerSecond).toBe(40e9);
    await contribution.probe();
    expect(runs).toEqual(['cpu']);
    await contribution.probe({ measureAnew: true });
    expect(runs).toEqual(['cpu', 'cpu']);
    await start();
    await contribution.probe({ measureAnew: true });
    expect(runs).toEqual(['cpu', 'cpu']);
  });

  it('LC20: beside what was expected of the lent model stands what it reached, and the next estimate knows it', async () => {
    const { clock, contribution, start, ready } = setUpMeasured();
    await contribution.probe();
    expect(ready().expectations?.cpu.rates).toEqual([]);
    await start();
    expect(contribution.rate).toEqual({ expected: 12 });
    await clock.advance(60_000);
    expect(contribution.rate).toEqual({ expected: 12, measured: expect.closeTo(10, 0) });
    await contribution.probe();
    expect(ready().expectations?.cpu.rates).toEqual([
      expect.objectContaining({ model: 'scripted', sizeBytes: 2e9, possibleTokensPerSecond: expect.closeTo(20, 5) }),
    ]);
  });

  it('LC19: a device that can not be measured is offered what fits by memory', async () => {
    const { contribution, phase } = setUp({
      modelOffers: async (_report, _entry, expectations) => (expectations === undefined ? [offer] : []),
      expectationsOf: () => Promise.reject(new Error('no time')),
    });
    await contribution.probe();
    expect(contribution.device).toMatchObject({ state: 'ready', offers: [offer], expectations: undefined });
    expect(phase()).toBe('idle');
  });
});

describe('an engine that breaks', () => {
  it('LC9: is loaded anew after growing pauses, and serves again', async () => {
    const { clock, contribution, log, start, served, lose, phase } = setUp();
    await start();
    const pausesMs: number[] = [];
    for (let times = 1; times <= 3; times += 1) {
      lose();
      await clock.advance(0);
      expect(contribution.phase).toMatchObject({ state: 'restarting', attempt: times, mostAttempts: 7 });
      const sinceMs = clock.monotonicMs();
      while (phase() === 'restarting') await clock.advance(1);
      pausesMs.push(clock.monotonicMs() - sinceMs);
      await clock.advance(100);
      expect(phase()).toBe('serving');
      expect(served()).toEqual(['scripted-model']);
    }
    expect(log.filter((entry) => entry === 'loaded')).toHaveLength(4);
    expect(pausesMs[1]).toBeGreaterThan(pausesMs[0] ?? Number.POSITIVE_INFINITY);
    expect(pausesMs[2]).toBeGreaterThan(pausesMs[1] ?? Number.POSITIVE_INFINITY);
  });

  it('LC10: is given up with a sentence after seven attempts, and another can be tried', async () => {
    const { clock, contribution, log, start, lose, phase } = setUp();
    await start();
    for (let times = 0; times < 8; times += 1) {
      expect(phase()).toBe('serving');
      lose('the GPU was lost');
      await clock.advance(30_000);
    }
    expect(contribution.phase).toEqual({
      state: 'failed',
      label: 'scripted-model',
      served: true,
      message:
        'It broke 8 times in a row, the last time with this: The engine failed: the GPU was lost. Close other tabs or choose a smaller model, then start again.',
    });
    expect(log.at(-1)).toBe('unlocked');
    await start();
    expect(phase()).toBe('serving');
  });

  it('LC10: counts anew when it has served for five minutes', async () => {
    const { clock, contribution, start, lose } = setUp();
    await start();
    for (let times = 0; times < 20; times += 1) {
      lose();
      await clock.advance(0);
      expect(contribution.phase).toMatchObject({ state: 'restarting', attempt: 1 });
      await clock.advance(310_000);
    }
  });

  it('LC10: counts a load that fails as one of the attempts', async () => {
    let loads = 0;
    const lending = setUp();
    const { clock, contribution, start, lose } = lending;
    const { loadEngine } = lending.engines();
    lending.override({
      loadEngine: (...arguments_) => {
        loads += 1;
        if (loads > 1) throw new MeshError('out_of_memory', 'This device has not enough memory.');
        return loadEngine(...arguments_);
      },
    });
    await start();
    lose();
    await clock.advance(60_000);
    expect(loads).toBe(8);
    expect(contribution.phase).toMatchObject({ state: 'failed', served: true });
    expect(contribution.phase).toHaveProperty('message', expect.stringContaining('not enough memory'));
  });
});
