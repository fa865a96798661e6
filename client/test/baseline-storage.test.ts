import { describe, expect, it } from 'vitest';
import { createBaselineStorage } from '../src/mesh/baseline-storage.ts';

const figures = { ttftMs: 12, tokensPerSecond: 90, sampleCount: 3, measuredAtMs: 1_800_000_000_000 };

describe('the baselines of a browser', () => {
  it('BL15: last as long as the page when the browser stores nothing', async () => {
    const store = createBaselineStorage(undefined);
    expect(await store.get('alice')).toBeUndefined();
    await store.set('alice', figures);
    expect(await store.get('alice')).toEqual(figures);
    expect(await createBaselineStorage(undefined).get('alice')).toBeUndefined();
  });
});
