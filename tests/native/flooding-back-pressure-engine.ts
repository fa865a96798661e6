/** An engine that says a hundred bytes per token, as fast as it is let, and counts how often it was asked for the next. */
import { ClassId, type Engine, ModelId } from '@tabmesh/shared';

export const FLOODING_MODEL = 'flooding-model';
export const TOKEN = `${'x'.repeat(99)} `;
/** A hundred megabytes: more than all buffers on the way hold together. */
export const FLOOD_TOKENS = 1_000_000;

export interface FloodingEngine extends Engine {
  /** Of all answers. */
  tokens(): number;
  running(): number;
}

/** @param gate the flood waits for it behind the first token; `Hi` is answered with one token */
export function createFloodingEngine(gate: Promise<void> = Promise.resolve()): FloodingEngine {
  let tokens = 0;
  let running = 0;
  return {
    model: {
      id: ModelId.parse(FLOODING_MODEL),
      classId: ClassId.parse('f'.repeat(32)),
      family: 'scripted',
      backend: 'flooding',
      contextTokens: 2 * FLOOD_TOKENS,
      slots: 2,
      sizeBytes: 1,
      features: [],
    },
    tokens: () => tokens,
    running: () => running,
    async *generate({ messages }, signal) {
      const count = messages.at(-1)?.content === 'Hi' ? 1 : FLOOD_TOKENS;
      running += 1;
      try {
        for (let said = 0; said < count && !signal.aborted; said += 1) {
          tokens += 1;
          yield { type: 'tokens', text: TOKEN, tokenCount: 1 };
          if (said === 0) await Promise.race([gate, aborted(signal)]);
          // As any real engine, it lets others have their turn.
          await new Promise<void>((resolve) => setImmediate(resolve));
        }
        yield { type: 'end', reason: 'stop', usage: { promptTokens: 1, completionTokens: count, cachedTokens: 0 } };
      } finally {
        running -= 1;
      }
    },
    onLost: () => () => {},
    close: async () => {},
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
