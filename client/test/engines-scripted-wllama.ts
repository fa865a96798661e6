/**
 * wllama without a model, with wllama's manners: it hangs when asked for more answers than it has sequences, a chunk has
 * llama.cpp's running count, the token that ends an answer is counted at the end only, a character in pieces yields no
 * chunk, and an abort is noticed between two tokens.
 */
import type { ChatCompletionChunk, ChatCompletionParams } from '@wllama/wllama/esm/index.js';
import type { WllamaChat } from '../src/engines/wllama-adapter.ts';

type StreamedParams = ChatCompletionParams & { stream: true; onData: (chunk: ChatCompletionChunk) => void };

const WORDS = ['The', ' mesh', '', ' 🧭', ' is', ' naïve', ' and', ' measures', ' what', ' it', ' finds', '.'];

export interface ScriptedWllama extends WllamaChat {
  /** Parameters of every request, in order. */
  readonly requests: StreamedParams[];
  /** Makes all running and the next request fail with this. */
  failWith(error: Error): void;
  exited(): boolean;
}

/** A prompt token is a word. */
export function createScriptedWllama(slots: number, contextTokens: number, answerTokens = 24): ScriptedWllama {
  const requests: StreamedParams[] = [];
  let running = 0;
  let failure: Error | undefined;
  let exited = false;

  async function answer(params: StreamedParams): Promise<void> {
    const promptTokens = params.messages.reduce((sum, { content }) => sum + String(content).split(/\s+/).length, 0);
    if (promptTokens > contextTokens) {
      throw new Error(
        `request (${promptTokens} tokens) exceeds the available context size (${contextTokens} tokens), try increasing it`,
      );
    }
    if (failure !== undefined) throw failure;
    const start = String(params.messages.at(-1)?.content).length + (params.seed ?? 0);
    const room = Math.min(params.max_tokens ?? Number.POSITIVE_INFINITY, answerTokens + 1);
    params.onData(chunk({ role: 'assistant', content: null }, promptTokens, 0));
    let drawn = 0;
    let text = '';
    while (drawn < room) {
      await turn();
      if (failure !== undefined) throw failure;
      if (params.abortSignal?.aborted) throw Object.assign(new Error('Operation aborted'), { name: 'AbortError' });
      drawn += 1;
      if (drawn <= answerTokens) text += WORDS[(start + drawn) % WORDS.length] ?? '';
      if (text === '') continue;
      params.onData(chunk({ content: text }, promptTokens, drawn));
      text = '';
    }
    end(params, drawn > answerTokens ? 'stop' : 'length', promptTokens, drawn);
  }

  return {
    requests,
    async createChatCompletion(params) {
      requests.push(params);
      if (running === slots) await new Promise(() => {});
      running += 1;
      await answer(params).finally(() => {
        running -= 1;
      });
    },
    exit() {
      exited = true;
      return Promise.resolve();
    },
    exited: () => exited,
    failWith(error) {
      failure = error;
    },
  };
}

function end(params: StreamedParams, finish_reason: 'stop' | 'length', prompt: number, completion: number): void {
  params.onData({ ...envelope, choices: [{ index: 0, delta: {}, finish_reason, logprobs: null }] });
  params.onData({
    ...envelope,
    choices: [],
    usage: {
      prompt_tokens: prompt,
      completion_tokens: completion,
      total_tokens: prompt + completion,
      prompt_tokens_details: { cached_tokens: 1, audio_tokens: 0 },
    },
  });
}

const envelope = { id: '', object: 'chat.completion.chunk' as const, created: 0, model: '' };

function chunk(
  delta: ChatCompletionChunk['choices'][number]['delta'],
  prompt_n: number,
  predicted_n: number,
): ChatCompletionChunk {
  const unmeasured = { prompt_ms: 0, prompt_per_token_ms: 0, prompt_per_second: 0 };
  const timings = { ...unmeasured, predicted_ms: 0, predicted_per_token_ms: 0, predicted_per_second: 0 };
  const choices = [{ index: 0, delta, finish_reason: null, logprobs: null }];
  return { ...envelope, choices, timings: { ...timings, cache_n: 0, prompt_n, predicted_n } };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
