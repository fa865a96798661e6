/** Names as people write them. */
import { CATALOG } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { catalogNamed, didYouMean, suggestions } from '../src/models/model-names.ts';

const NAMES = CATALOG.map(({ id }) => id);

describe('model names', () => {
  it.each([
    ['qwen3-8b', 'Qwen3-8B'],
    ['qwen3:8b', 'Qwen3-8B'],
    ['Qwen/Qwen3-8B', 'Qwen3-8B'],
    ['Qwen/Qwen3-8B-GGUF', 'Qwen3-8B'],
    ['Qwen/Qwen3-8B-GGUF:Q4_K_M', 'Qwen3-8B'],
    ['llama3.2:3b', 'Llama-3.2-3B'],
    ['meta-llama/Llama-3.2-3B-Instruct', 'Llama-3.2-3B'],
    ['llama3.1:8b', 'Llama-3.1-8B-Instruct'],
    ['Meta-Llama-3.1-8B-Instruct', 'Llama-3.1-8B-Instruct'],
    ['MESH_TINY', 'mesh-tiny'],
  ])('NP90: %s is %s', (text, id) => {
    expect(catalogNamed(text)?.id).toBe(id);
  });

  it('NP90: every name of the catalog is its own and no spelling of another', () => {
    for (const id of NAMES) {
      expect(catalogNamed(id)?.id).toBe(id);
      expect(catalogNamed(id.toLowerCase())?.id).toBe(id);
    }
    expect(catalogNamed('qwen3-9b')).toBeUndefined();
    expect(catalogNamed('')).toBeUndefined();
  });

  it('NP91: a name close to known ones is answered with them, the closest first', () => {
    expect(suggestions('qwen3-88b', NAMES)[0]).toBe('Qwen3-8B');
    expect(suggestions('deepsek-r1:14b', NAMES)).toEqual(['DeepSeek-R1-Distill-Qwen-14B']);
    expect(suggestions('mistral', NAMES)).toEqual(['Mistral-7B-Instruct-v0.3']);
    expect(suggestions('mesh-tinny', NAMES)).toEqual(['mesh-tiny']);
    expect(suggestions('qwen', NAMES)).toHaveLength(3);
    for (const far of ['', 'q', '-', 'something else', 'x'.repeat(10_000)]) expect(suggestions(far, NAMES)).toEqual([]);
    expect(didYouMean('mistral', NAMES)).toBe(' Did you mean Mistral-7B-Instruct-v0.3?');
    expect(didYouMean('qwen', ['Qwen3-8B', 'Qwen3-4B'])).toBe(' Did you mean Qwen3-8B or Qwen3-4B?');
    expect(didYouMean('far off', NAMES)).toBe('');
  });
});
