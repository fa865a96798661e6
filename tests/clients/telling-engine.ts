/** An engine that says what a test wants to hear, a few characters at a time, and claims to do everything. */
import { setImmediate } from 'node:timers/promises';
import { ClassId, type Engine, type GenerationRequest, MeshError, ModelId } from '@tabmesh/shared';

export const TELLING_MODEL = 'telling-model';

export interface TellingEngine extends Engine {
  readonly requests: readonly GenerationRequest[];
  running(): number;
}

/** @param answerTo the whole text; undefined: the first word, and then nothing until the asker is gone */
export function createTellingEngine(answerTo: (request: GenerationRequest) => string | undefined): TellingEngine {
  const requests: GenerationRequest[] = [];
  let running = 0;
  return {
    model: {
      id: ModelId.parse(TELLING_MODEL),
      classId: ClassId.parse('7'.repeat(32)),
      family: 'scripted',
      backend: 'telling',
      contextTokens: 16_384,
      slots: 8,
      sizeBytes: 1,
      features: ['seed', 'json', 'logprobs', 'logit-bias', 'penalties', 'embeddings'],
    },
    requests,
    running: () => running,
    async *generate(request, signal) {
      requests.push(request);
      running += 1;
      try {
        const text = answerTo(request);
        const whole = (text ?? 'Well').match(/[\s\S]{1,3}/gu) ?? [];
        const tokens = whole.slice(0, request.maxTokens);
        for (const token of tokens) {
          const logprobs =
            request.topLogprobs === undefined ? {} : { logprobs: [logprobOf(token, request.topLogprobs)] };
          yield { type: 'tokens', text: token, tokenCount: 1, ...logprobs };
          // What comes within one turn is given as one.
          await setImmediate();
        }
        if (text === undefined) await untilAborted(signal);
        const usage = { promptTokens: 9, completionTokens: tokens.length, cachedTokens: 0 };
        yield { type: 'end', reason: tokens.length < whole.length ? 'length' : 'stop', usage };
      } finally {
        running -= 1;
      }
    },
    embed: async (inputs) => ({
      vectors: inputs.map((text) => Float32Array.of(Math.cos(text.length), Math.sin(text.length))),
      promptTokens: inputs.length,
    }),
    onLost: () => () => {},
    close: async () => {},
  };
}

function logprobOf(token: string, top: number) {
  const likelihood = { token, logprob: -0.5 };
  return { ...likelihood, top: [likelihood, { token: '?', logprob: -2 }].slice(0, top) };
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const cancel = () => reject(MeshError.cancelled());
    if (signal.aborted) cancel();
    else signal.addEventListener('abort', cancel, { once: true });
  });
}
