/** Which tokens llama.cpp computes together. */
import { ClassId, type Engine, ModelId } from '@tabmesh/shared';
import type { CustomBatchingPrioritizationStrategy, Token } from 'node-llama-cpp';
import { describe, expect, it } from 'vitest';
import { answer, ask } from '../../shared/src/testing/engine-subject.ts';
import { commonBatches } from '../src/llama/llama-batches.ts';
import { LlamaEngine } from '../src/llama/llama-engine.ts';
import { startLlama } from '../src/llama/start-llama.ts';
import { TINY } from './embedded-models.ts';

const SLOTS = 4;
const TOKENS = 40;
/** Without them an answer has as many tokens as it may. */
const ENDLESS = { '2': -100, '4': -100 };

describe('batches', () => {
  it('NP79: answers that run together have a token each in every batch', async () => {
    const sizes: number[] = [];
    const gather = commonBatches();
    const engine = await engineWith((waiting) => {
      const batch = gather(waiting);
      if (batch.length > 0) sizes.push(batch.length);
      return batch;
    });
    const request = (content: string) => ask(content, { maxTokens: TOKENS, logitBias: ENDLESS });
    await Promise.all(['fox', 'mouse', 'cat', 'bird'].map((animal) => answer(engine, request(animal))));
    // The first may begin while not all have asked.
    expect(sizes.filter((size) => size === SLOTS).length).toBeGreaterThanOrEqual(TOKENS - 2);
    expect(sizes.length).toBeLessThanOrEqual(TOKENS + 2);
    await engine.close();
  });

  it('NP80: prompts share evenly what room the running answers leave them', () => {
    const waiting = [300, 1, 100, 1, 400].map((length) => ({
      tokens: Array<Token>(length).fill(1 as Token),
      logits: [],
      evaluationPriority: 5 as const,
    }));
    const gather = commonBatches();
    let batch = gather({ items: waiting, size: 512 });
    while (batch.length === 0) batch = gather({ items: waiting, size: 512 });
    expect(waiting.map((item) => batch.find((part) => part.item === item)?.processAmount)).toEqual([
      205, 1, 100, 1, 205,
    ]);
  });
});

async function engineWith(itemPrioritizationStrategy: CustomBatchingPrioritizationStrategy): Promise<Engine> {
  const llama = await startLlama({ threads: 1, gpu: 'off' });
  const model = await llama.loadModel({ modelPath: TINY });
  const context = await model.createContext({
    sequences: SLOTS,
    contextSize: 256,
    batching: { itemPrioritizationStrategy },
  });
  return new LlamaEngine({
    description: {
      id: ModelId.parse('mesh-tiny'),
      classId: ClassId.parse('0'.repeat(32)),
      family: 'llama.cpp',
      backend: 'llama.cpp · CPU',
      contextTokens: 256,
      slots: SLOTS,
      sizeBytes: 1,
      features: [],
    },
    model,
    context,
    prompts: {
      chat: async (messages) => ({ prompt: model.tokenize(messages.map(({ content }) => content).join()), begun: [] }),
      close() {},
    },
    embedder: undefined,
    dispose: () => llama.dispose(),
  });
}
