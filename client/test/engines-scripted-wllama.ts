/**
 * wllama without a model, with wllama's manners: it hangs when asked for more answers than it has sequences, a chunk has
 * llama.cpp's running count, the token that ends an answer is counted at the end only, a character in pieces yields no
 * chunk, and an abort is noticed between two tokens.
 */
import type { ChatCompletionChunk, ChatCompletionParams, RawCompletionChunk } from '@wllama/wllama/esm/index.js';
import type { WllamaChat } from '../src/engines/wllama-adapter.ts';

type StreamedParams = ChatCompletionParams & { stream: true; onData: (chunk: ChatCompletionChunk) => void };

/** What stands between the question and the beginning of its answer in a prompt. */
export const TURN = '\n>';

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

  async function answer(params: StreamedParams, beginning = ''): Promise<void> {
    const start = String(params.messages.at(-1)?.content).length + (params.seed ?? 0);
    const begun = tokensOf(beginning, start);
    const words = params.messages.reduce((sum, { content }) => sum + String(content).split(/\s+/).length, 0);
    const promptTokens = words + begun;
    if (promptTokens > contextTokens) {
      throw new Error(
        `request (${promptTokens} tokens) exceeds the available context size (${contextTokens} tokens), try increasing it`,
      );
    }
    if (failure !== undefined) throw failure;
    const room = Math.min(params.max_tokens ?? Number.POSITIVE_INFINITY, answerTokens - begun + 1);
    params.onData(chunk({ role: 'assistant', content: null }, promptTokens, 0));
    let drawn = 0;
    let text = '';
    while (drawn < room) {
      await turn();
      if (failure !== undefined) throw failure;
      if (params.abortSignal?.aborted) throw Object.assign(new Error('Operation aborted'), { name: 'AbortError' });
      drawn += 1;
      if (begun + drawn <= answerTokens) text += wordAt(start, begun + drawn);
      if (text === '') continue;
      params.onData(chunk({ content: text }, promptTokens, drawn));
      text = '';
    }
    end(params, begun + drawn > answerTokens ? 'stop' : 'length', promptTokens, drawn);
  }

  async function run(params: StreamedParams, beginning?: string): Promise<void> {
    requests.push(params);
    if (running === slots) await new Promise(() => {});
    running += 1;
    await answer(params, beginning).finally(() => {
      running -= 1;
    });
  }

  return {
    requests,
    createChatCompletion: (params) => run(params),
    createCompletion({ prompt, onData, logprobs: _, ...sampling }) {
      const [question = '', beginning] = String(prompt).split(TURN);
      return run({ ...sampling, messages: [{ role: 'user', content: question }], onData: toRaw(onData) }, beginning);
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

function toRaw(onData: (chunk: RawCompletionChunk) => void) {
  return ({ choices, ...chunk }: ChatCompletionChunk) =>
    onData({
      ...chunk,
      object: 'text_completion',
      choices: choices.map(({ index, delta, finish_reason }) => ({
        index,
        text: delta.content ?? '',
        finish_reason: finish_reason === 'tool_calls' ? null : finish_reason,
        logprobs: null,
      })),
    });
}

function wordAt(start: number, token: number): string {
  return WORDS[(start + token) % WORDS.length] ?? '';
}

/** How many tokens the beginning of an answer has. */
function tokensOf(beginning: string, start: number): number {
  let count = 0;
  for (let text = ''; text.length < beginning.length; text += wordAt(start, count)) count += 1;
  return count;
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
