import { describe, expect, it } from 'vitest';
import { fallbackSettings } from '../../src/fallback/fallback-settings.ts';

const complete = { url: 'https://api.example.org/v1/', key: 'sk-secret', models: 'Qwen3-8B=qwen/qwen3-8b:free' };

describe('the settings of a provider', () => {
  it('FB16: pairs and JSON mean the same, and the budget is 20 unless told otherwise', () => {
    const fromPairs = fallbackSettings({ ...complete, models: ' Qwen3-8B = a=b , Llama-3.2-3B=c,' });
    const fromJson = fallbackSettings({ ...complete, models: '{"Qwen3-8B": "a=b", "Llama-3.2-3B": "c"}', budget: 3 });

    expect(fromPairs?.models).toEqual(fromJson?.models);
    expect([...(fromPairs?.models ?? [])]).toEqual([
      ['Qwen3-8B', 'a=b'],
      ['Llama-3.2-3B', 'c'],
    ]);
    expect(fromPairs?.endpoint.href).toBe('https://api.example.org/v1/chat/completions');
    expect([fromPairs?.budget, fromJson?.budget]).toEqual([20, 3]);
  });

  it('FB16: none at all means no provider', () => {
    expect(fallbackSettings({})).toBeUndefined();
    expect(fallbackSettings({ url: '', key: '', models: '', budget: 5 })).toBeUndefined();
  });

  it.each([
    [{ key: '' }, /TABMESH_FALLBACK_KEY/],
    [{ url: '' }, /TABMESH_FALLBACK_URL/],
    [{ models: '' }, /TABMESH_FALLBACK_MODELS/],
    [{ url: 'api.example.org' }, /TABMESH_FALLBACK_URL is no address/],
    [{ url: 'file:///etc/passwd' }, /TABMESH_FALLBACK_URL is no address/],
    [{ url: 'https://me:pass@api.example.org' }, /TABMESH_FALLBACK_URL is no address/],
    [{ key: 'sk secret\n' }, /TABMESH_FALLBACK_KEY holds characters/],
    [{ models: 'Qwen3-8B' }, /TABMESH_FALLBACK_MODELS names no models/],
    [{ models: '{"Qwen3-8B": 3}' }, /TABMESH_FALLBACK_MODELS names no models/],
    [{ models: '{broken' }, /TABMESH_FALLBACK_MODELS names no models/],
  ])('FB16: %j is refused by name, without the key', (change, sentence) => {
    const settings = () => fallbackSettings({ ...complete, ...change });

    expect(settings).toThrow(expect.objectContaining({ code: 'invalid_request' }));
    expect(settings).toThrow(sentence);
    expect(settings).not.toThrow(/secret/);
  });
});
