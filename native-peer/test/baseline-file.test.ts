/** Baselines on disk, and how they come there. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BaselineCollector, type Clock, silentLogger, systemClock } from '@tabmesh/shared';
import { describe, expect, it, vi } from 'vitest';
import { describeEngineContract } from '../../shared/src/testing/describe-engine-contract.ts';
import { createBaselineFile } from '../src/home/baseline-file.ts';
import { loadLlamaEngine } from '../src/llama/load-llama-engine.ts';
import { TINY } from './embedded-models.ts';
import { temporaryFolder } from './temporary-folder.ts';

const figures = { ttftMs: 12, tokensPerSecond: 90, sampleCount: 3, measuredAtMs: 1_800_000_000_000 };

/** The half minute, and the seconds between the runs, pass a thousand times as fast. */
const hurried: Clock = {
  ...systemClock,
  after: (delayMs, callback) => systemClock.after(delayMs / 1_000, callback),
};

// Its jobs come while the engine is being measured, which must show in none of them.
describeEngineContract('llama.cpp behind its baseline', async () => ({
  engine: new BaselineCollector({
    engine: await loadLlamaEngine({ file: TINY, slots: 3, threads: 1, gpu: 'off' }),
    clock: hurried,
    store: { get: async () => undefined, set: async () => {} },
    logger: silentLogger,
    onBaseline() {},
  }).engine,
  longPrompt: 'Tell me a story about a fox.',
  prompts: ['What is a mesh?', 'Count to five.', 'What is the capital of France?'],
}));

describe('the baseline file', () => {
  it('BL12: gives back after a restart what was kept, each under its key', async () => {
    const file = join(await temporaryFolder(), 'home', 'baselines.json');
    const store = createBaselineFile(file);
    expect(await store.get('alice')).toBeUndefined();
    await Promise.all([store.set('alice', figures), store.set('bob', { ...figures, ttftMs: 7 })]);
    await store.set('alice', { ...figures, ttftMs: 9 });
    const again = createBaselineFile(file);
    expect(await again.get('alice')).toEqual({ ...figures, ttftMs: 9 });
    expect(await again.get('bob')).toEqual({ ...figures, ttftMs: 7 });
    expect(await again.get('constructor')).toBeUndefined();
    expect(await readdir(join(file, '..'))).toEqual(['baselines.json']);
  });

  it('BL12: that is broken counts as empty and is replaced', async () => {
    const file = join(await temporaryFolder(), 'baselines.json');
    for (const broken of ['', '{"alice":', 'null', '[1]', '7']) {
      await writeFile(file, broken);
      const store = createBaselineFile(file);
      expect(await store.get('alice')).toBeUndefined();
      await store.set('alice', figures);
      expect(await store.get('alice')).toEqual(figures);
    }
  });

  it('BL12: that can not be written fails that write and none after it', async () => {
    const folder = await temporaryFolder();
    const blocker = join(folder, 'blocker');
    await writeFile(blocker, '');
    const store = createBaselineFile(join(blocker, 'baselines.json'));
    await expect(store.set('alice', figures)).rejects.toThrow();
    await expect(store.set('alice', figures)).rejects.toThrow();
    expect(await readFile(blocker, 'utf8')).toBe('');
  });

  it('BL13: a real engine has its baseline of three samples published and kept', async () => {
    const file = join(await temporaryFolder(), 'baselines.json');
    const loaded = await loadLlamaEngine({ file: TINY, slots: 1, threads: 1, gpu: 'off' });
    const store = createBaselineFile(file);
    const set = vi.fn(store.set);
    const published = vi.fn();
    const collector = new BaselineCollector({
      engine: loaded,
      clock: hurried,
      store: { ...store, set },
      logger: silentLogger,
      onBaseline: published,
    });
    await vi.waitFor(() => expect(published).toHaveBeenCalledOnce(), 30_000);
    expect(published.mock.calls[0]?.[0]).toMatchObject({ sampleCount: 3, ageMs: 0 });
    await set.mock.results[0]?.value;
    const key = `${loaded.model.classId} ${loaded.model.backend}`;
    expect(await createBaselineFile(file).get(key)).toMatchObject({ sampleCount: 3 });
    collector.close();
    await collector.engine.close();
  });
});
