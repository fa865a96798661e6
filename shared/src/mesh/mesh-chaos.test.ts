import { describe, expect, it } from 'vitest';
import { runChaos } from '../testing/chaos.ts';

const LENGTH = 60;

describe('answers while everything around them breaks', () => {
  it.each(Array.from({ length: 12 }, (_, index) => index + 1))(
    'FO12: are whole and once, seed %i',
    { timeout: 60_000 },
    async (seed) => {
      const { answers, disturbances } = await runChaos(seed);
      expect(disturbances).toBeGreaterThan(0);
      for (const { text, expected, state, error, tokens, completionTokens } of answers) {
        expect({ state, error }).toEqual({ state: 'done', error: undefined });
        expect(text).toBe(expected);
        expect([tokens, completionTokens]).toEqual([LENGTH, LENGTH]);
      }
    },
  );
});
