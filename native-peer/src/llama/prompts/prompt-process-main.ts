/**
 * The process in which long prompts are cut into tokens. Nothing waits for it but the prompt itself, and what some tokenizers
 * do on long runs of one character (the end of the process, by a stack that is full) ends this one.
 */
import { MeshError } from '@tabmesh/shared/errors';
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';
import { loadVocabulary } from '../llama-internals.ts';
import type { PromptOrder, PromptProcessSetup, PromptReply } from './prompt-orders.ts';
import { PromptWork } from './prompt-work.ts';

export async function runPromptProcess(): Promise<void> {
  // The peer is gone, or needs it no more.
  process.on('disconnect', () => process.exit());
  // Ctrl-C reaches every process of the terminal; the peer decides.
  process.on('SIGINT', () => {});
  const setup = await new Promise<PromptProcessSetup>((resolve) => process.once('message', resolve));
  const llama = await getLlama({ build: 'never', gpu: false, maxThreads: 1, logLevel: LlamaLogLevel.disabled });
  const model = await loadVocabulary(llama, setup.file);
  const work = new PromptWork(model, setup.chatTemplate, setup.contextTokens);
  process.on('message', (order: PromptOrder) => reply(answer(work, order)));
  reply({ type: 'ready' });
}

function answer(work: PromptWork, order: PromptOrder): PromptReply {
  try {
    return { type: 'read', tokens: tokensOf(work, order).map((tokens) => Uint32Array.from(tokens)) };
  } catch (error) {
    const { code, message, retryable, details } = MeshError.is(error)
      ? error
      : MeshError.engineFailed(String(error), error);
    return { type: 'refused', code, message, retryable, details };
  }
}

function tokensOf(work: PromptWork, order: PromptOrder): readonly (readonly number[])[] {
  if (order.kind === 'plain') return work.plain(order.texts);
  const { prompt, begun } = work.chat(order.messages, order.beginning, order.thinking);
  return [prompt, begun];
}

function reply(message: PromptReply): void {
  process.send?.(message);
}
