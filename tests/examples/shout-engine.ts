/** An engine in fifty lines: it says the last message again, louder. */
import { AnswerText, classIdOf, type Engine, type EngineEvent, MeshError, ModelId } from '@tabmesh/shared';

const CONTEXT_TOKENS = 4096;

export function createShoutEngine(): Engine {
  const closing = new AbortController();
  return {
    model: {
      id: ModelId.parse('shout'),
      // Peers with the same weights and template share a class: their answers are the same at temperature 0.
      classId: classIdOf({
        weightsSha256: '0'.repeat(64),
        quantization: '',
        family: 'shout',
        templateSha256: '0'.repeat(64),
      }),
      family: 'shout',
      backend: 'shout · TypeScript',
      contextTokens: CONTEXT_TOKENS,
      slots: 4,
      sizeBytes: 0,
      features: [],
    },
    async *generate({ messages, maxTokens, stop }, signal) {
      if (closing.signal.aborted) throw MeshError.closed('engine');
      const either = AbortSignal.any([signal, closing.signal]);
      const words = (messages.at(-1)?.content ?? '').toUpperCase().match(/\S+\s*/g) ?? [];
      const promptTokens = words.length + 1;
      if (promptTokens >= CONTEXT_TOKENS) throw MeshError.contextLengthExceeded(promptTokens, CONTEXT_TOKENS);
      const ready: EngineEvent[] = [];
      const text = new AnswerText(stop, (event) => ready.push(event));
      for (const word of words.slice(0, maxTokens)) {
        await new Promise(setImmediate);
        if (either.aborted) throw MeshError.cancelled();
        text.push(word, 1);
        yield* ready.splice(0);
        if (text.stopped) break;
      }
      const isCut = !text.stopped && words.length > maxTokens;
      text.end(text.tokenCount);
      yield* ready;
      const usage = { promptTokens, cachedTokens: 0, completionTokens: text.tokenCount };
      yield { type: 'end', reason: isCut ? 'length' : 'stop', usage, ...text.stop };
    },
    onLost: () => () => {},
    async close() {
      closing.abort();
    },
  };
}
