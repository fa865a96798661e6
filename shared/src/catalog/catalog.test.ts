import { describe, expect, it } from 'vitest';
import { ModelId } from '../protocol/ids.ts';
import { CATALOG, catalogModel, defaultModel, modelIdOfMlc, tierOf } from './catalog.ts';

describe('the catalog', () => {
  it('CT1: names every model, file and build once, each with its size, context and tier', () => {
    const names = CATALOG.flatMap(({ id, gguf, mlc = [] }) => [
      id,
      ...[gguf?.url ?? gguf?.file ?? []].flat(),
      ...mlc.map((build) => build.id),
    ]);
    expect(new Set(names).size).toBe(names.length);
    for (const { id, tier, gguf, mlc = [], contextTokens } of CATALOG) {
      expect(gguf !== undefined || mlc.length > 0, id).toBe(true);
      const sizes = [gguf?.sizeBytes ?? 1, ...mlc.map(({ memoryBytes }) => memoryBytes), contextTokens];
      expect(sizes.filter((size) => !(Number.isInteger(size) && size > 0))).toEqual([]);
      if (tier === 'capacity') expect(gguf?.sizeBytes, id).toBeGreaterThan(14e9);
    }
  });

  it('CT2: the tier comes from the table, by either name, and is experimental for what the table does not name', () => {
    const daily = ['Qwen3-8B', 'Llama-3.1-8B-Instruct', 'Qwen2.5-Coder-7B-Instruct', 'DeepSeek-R1-Distill-Qwen-14B'];
    for (const id of [...daily, 'Llama-3.2-3B', 'Qwen3-8B-q4f16_1-MLC', 'Qwen3-8B-q4f32_1-MLC']) {
      expect(tierOf(id), id).toBe('daily-driver');
    }
    for (const id of ['Qwen3-32B', 'Llama-3.3-70B-Instruct', 'Llama-3.1-70B-Instruct-q3f16_1-MLC']) {
      expect(tierOf(id), id).toBe('capacity');
    }
    for (const id of ['mesh-tiny', 'my-own-model', 'toString', '']) expect(tierOf(id), id).toBe('experimental');
  });

  it('CT3: a model of WebLLM is served under its catalog name, whatever its build, else under its own', () => {
    expect(modelIdOfMlc('Qwen3-8B-q4f16_1-MLC')).toBe('Qwen3-8B');
    expect(modelIdOfMlc('Qwen3-8B-q4f32_1-MLC')).toBe('Qwen3-8B');
    expect(modelIdOfMlc('Llama-3.2-3B-Instruct-q4f16_1-MLC')).toBe('Llama-3.2-3B');
    expect(modelIdOfMlc('SmolLM2-360M-Instruct-q4f16_1-MLC')).toBe('SmolLM2-360M-Instruct-q4f16_1-MLC');
    expect(catalogModel('Qwen3-8B-q4f16_1-MLC')).toBeUndefined();
  });

  it('CT4: the default model is a daily driver, else an experimental one, else a large one; then most peers win', () => {
    const served = (...models: [string, number][]) =>
      defaultModel(models.map(([id, peerCount]) => ({ id: ModelId.parse(id), peerCount })));
    expect(served()).toBeUndefined();
    expect(served(['mesh-tiny', 9], ['Qwen3-32B', 9], ['Qwen3-8B', 1])).toBe('Qwen3-8B');
    expect(served(['Qwen3-32B', 9], ['mesh-tiny', 1])).toBe('mesh-tiny');
    expect(served(['Qwen3-32B', 1])).toBe('Qwen3-32B');
    expect(served(['Qwen3-8B', 1], ['Llama-3.2-3B', 2])).toBe('Llama-3.2-3B');
    expect(served(['mesh-tiny', 2], ['mesh-mini', 2])).toBe('mesh-mini');
  });
});
