/** An engine that a test stops where it likes: the question says how far an answer goes before it waits to be cancelled. */
import { ClassId, type Engine, type GenerationRequest, MeshError, ModelId } from '@tabmesh/shared';

export const HELD_MODEL = 'held-model';

/** Before the first token. */
export const PREFILL = 'Think!';
/** Behind the first token. */
export const MIDWAY = 'Begin!';
/** Fails behind its first token where the engine is told to break, and else goes on as far as `Think!`. */
export const MOVE = 'Move!';

export interface HeldEngine extends Engine {
  readonly requests: readonly GenerationRequest[];
  running(): number;
}

export function createHeldEngine(slots: number, breaks = false): HeldEngine {
  const requests: GenerationRequest[] = [];
  let running = 0;
  const inSlot = async <Value>(work: () => Promise<Value>): Promise<Value> => {
    running += 1;
    try {
      return await work();
    } finally {
      running -= 1;
    }
  };
  return {
    model: {
      id: ModelId.parse(HELD_MODEL),
      classId: ClassId.parse('c'.repeat(32)),
      family: 'scripted',
      backend: 'held',
      contextTokens: 4_096,
      slots,
      sizeBytes: 1,
      features: ['seed', 'continue', 'embeddings'],
    },
    requests,
    running: () => running,
    async *generate(request, signal) {
      requests.push(request);
      running += 1;
      try {
        const question = request.messages.at(-1)?.content;
        if (question === PREFILL || (question === MOVE && request.continues !== undefined)) await untilAborted(signal);
        yield { type: 'tokens', text: 'Well', tokenCount: 1 };
        if (question === MOVE && breaks) throw MeshError.engineFailed('the test wants it so');
        if (question === MIDWAY || question === MOVE) await untilAborted(signal);
        const usage = { promptTokens: 1, completionTokens: 1, cachedTokens: 0 };
        yield { type: 'end', reason: 'stop', usage };
      } finally {
        running -= 1;
      }
    },
    embed: (inputs, signal) =>
      inSlot(async () => {
        if (inputs.includes(PREFILL)) await untilAborted(signal);
        return { vectors: inputs.map(() => Float32Array.of(1, 0)), promptTokens: inputs.length };
      }),
    onLost: () => () => {},
    close: async () => {},
  };
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const cancel = () => reject(MeshError.cancelled());
    if (signal.aborted) cancel();
    else signal.addEventListener('abort', cancel, { once: true });
  });
}
