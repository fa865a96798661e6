/**
 * Tokens that tell when they were made: an engine gives one on a fixed beat, so that a reader knows of each how late it is.
 */
import { setTimeout } from 'node:timers/promises';
import { ClassId, type Engine, ModelId } from '@tabmesh/shared';
import { machineMs } from './one-clock.ts';

export const STAMPING_MODEL = ModelId.parse('stamping');

export interface Beat {
  readonly tokens: number;
  readonly intervalMs: number;
}

/** Texts such as ` 81234.567`: milliseconds on the machine's clock. */
export async function* stamps(
  { tokens, intervalMs }: Beat,
  signal?: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const startMs = machineMs();
  for (let index = 0; index < tokens; index += 1) {
    const waitMs = startMs + index * intervalMs - machineMs();
    if (waitMs > 0) await setTimeout(waitMs, undefined, signal === undefined ? {} : { signal });
    yield ` ${machineMs().toFixed(3)}`;
  }
}

export function createStampingEngine(beat: Beat, slots: number): Engine {
  return {
    model: {
      id: STAMPING_MODEL,
      classId: ClassId.parse('5'.repeat(32)),
      family: 'scripted',
      backend: 'stamping',
      contextTokens: 4_096,
      slots,
      sizeBytes: 1,
      features: [],
    },
    async *generate(_, signal) {
      for await (const text of stamps(beat, signal)) yield { type: 'tokens', text, tokenCount: 1 };
      const usage = { promptTokens: 1, completionTokens: beat.tokens, cachedTokens: 0 };
      yield { type: 'end', reason: 'stop', usage };
    },
    onLost: () => () => {},
    async close() {},
  };
}
