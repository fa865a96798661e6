import { describe, expect, it } from 'vitest';
import { ownModel } from '../src/lend/own-model.ts';

describe('a model of your own', () => {
  it('UI45: is served under the name of its file', () => {
    const url = 'https://example.org/Qwen/Qwen3-0.6B-GGUF/resolve/main/Qwen3-0.6B-Q8_0.gguf?download=true';
    expect(ownModel({ kind: 'gguf-url', url })).toEqual({
      label: 'Qwen3-0.6B-Q8_0',
      source: { kind: 'gguf-url', id: 'Qwen3-0.6B-Q8_0', url },
    });
  });

  it("UI45: a record is served under the name of its model's folder", () => {
    const modelUrl = 'https://example.org/mlc-ai/Qwen3-0.6B-q4f16_1-MLC/resolve/main/';
    const modelLibUrl = 'https://example.org/lib.wasm';
    expect(ownModel({ kind: 'mlc-record', modelUrl, modelLibUrl })).toMatchObject({ label: 'Qwen3-0.6B-q4f16_1-MLC' });
  });

  it.each([
    [{ kind: 'gguf-url', url: '' } as const, '.gguf'],
    [{ kind: 'gguf-url', url: 'file:///etc/passwd' } as const, '.gguf'],
    [{ kind: 'gguf-file', file: undefined } as const, 'Choose'],
    [{ kind: 'mlc-record', modelUrl: 'https://example.org/M/', modelLibUrl: 'x' } as const, '.wasm'],
  ])('UI46: says what is missing', (draft, part) => {
    expect(ownModel(draft)).toEqual({ missing: expect.stringContaining(part) });
  });
});
