/**
 * An engine that costs nothing, so that what is left is the way to it: the same few tokens to every question, without a
 * pause. The same answer is what the stub of another gateway's benchmark sends by HTTP.
 */
import { ClassId, type Engine, ModelId } from '@tabmesh/shared';

export const INSTANT_MODEL = ModelId.parse('instant');

/** One text per token. */
export const INSTANT_TOKENS: readonly string[] = Array.from({ length: 32 }, (_, index) => ` token-${index}`);

export const INSTANT_USAGE = { promptTokens: 8, completionTokens: INSTANT_TOKENS.length, cachedTokens: 0 };

export function createInstantEngine(slots: number): Engine {
  return {
    model: {
      id: INSTANT_MODEL,
      classId: ClassId.parse('0'.repeat(32)),
      family: 'scripted',
      backend: 'instant',
      contextTokens: 4_096,
      slots,
      sizeBytes: 1,
      features: [],
    },
    async *generate() {
      for (const text of INSTANT_TOKENS) yield { type: 'tokens', text, tokenCount: 1 };
      yield { type: 'end', reason: 'stop', usage: INSTANT_USAGE };
    },
    onLost: () => () => {},
    async close() {},
  };
}
