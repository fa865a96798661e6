/** node-llama-cpp as its manual shows it: one context, a sequence for each answer, `evaluate` with the batching of its own. */
import { availableParallelism } from 'node:os';
import { getLlama, type LlamaContextSequence, type LlamaModel } from 'node-llama-cpp';
import { answerCalls } from '../run/answer-calls.ts';

export type BareLlamaCalls = {
  load(options: { file: string; sequences: number; contextTokens: number }): Promise<void>;
  /** One answer to each prompt, all at once; the prompts' tokens are kept from call to call. */
  answer(options: { prompts: readonly string[]; maxTokens: number }): Promise<{ tokens: number; tookMs: number }>;
};

let model: LlamaModel | undefined;
let sequences: LlamaContextSequence[] = [];

answerCalls<BareLlamaCalls>({
  async load({ file, sequences: count, contextTokens }) {
    // With as many threads as a native peer takes, and like one without flash attention.
    const maxThreads = Math.max(1, availableParallelism() - 1);
    const llama = await getLlama({ build: 'never', maxThreads });
    model = await llama.loadModel({ modelPath: file });
    const flashAttention = model.gpuLayers > 0 ? 'auto' : false;
    const context = await model.createContext({ sequences: count, contextSize: contextTokens, flashAttention });
    sequences = Array.from({ length: count }, () => context.getSequence());
  },
  async answer({ prompts, maxTokens }) {
    const startMs = performance.now();
    const counts = await Promise.all(prompts.map((prompt, index) => answerOne(sequences[index], prompt, maxTokens)));
    return { tokens: counts.reduce((sum, count) => sum + count, 0), tookMs: performance.now() - startMs };
  },
});

async function answerOne(
  sequence: LlamaContextSequence | undefined,
  prompt: string,
  maxTokens: number,
): Promise<number> {
  if (model === undefined || sequence === undefined) throw new Error('Nothing is loaded for that many prompts.');
  const tokens = model.tokenize(prompt);
  await sequence.adaptStateToTokens(tokens.slice(0, -1), false);
  let count = 0;
  // Past its end, too: only the pace counts.
  const options = { temperature: 0, yieldEogToken: true };
  for await (const _ of sequence.evaluate(tokens.slice(sequence.nextTokenIndex), options)) {
    count += 1;
    if (count === maxTokens) break;
  }
  return count;
}
