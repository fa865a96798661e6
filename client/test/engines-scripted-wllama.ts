/**
 * wllama without a model, with wllama's manners: it hangs when asked for more answers than it has sequences, a chunk has
 * llama.cpp's running count, the token that ends an answer is counted at the end only, a character in pieces yields no
 * chunk, and an abort is noticed between two tokens. Where probabilities are told it throws at a character in pieces. It
 * follows no grammar.
 */
import type {
  ChatCompletionChoiceLogprobs,
  ChatCompletionChunk,
  ChatCompletionParams,
  CreateEmbeddingResponse,
  RawCompletionChunk,
} from '@wllama/wllama/esm/index.js';
import type { WllamaChat } from '../src/engines/wllama/wllama-adapter.ts';

type StreamedParams = ChatCompletionParams & {
  stream: true;
  onData: (chunk: ChatCompletionChunk) => void;
  grammar_type?: string;
  generation_prompt?: string;
};

/** What stands between the question and the beginning of its answer in a prompt. */
export const TURN = '\n>';

/** A token's id is its place here. */
export const WORDS = [
  ...['The', ' mesh', '', ' 🧭', ' is', ' naïve', ' and', ' measures', ' what', ' it', ' finds', '.'],
  ...[' Peers', ' lend', ' their', ' idle', ' hours', ' to', ' whoever', ' asks', ' for', ' an', ' answer', '!'],
];

export interface ScriptedWllama extends WllamaChat {
  /** Parameters of every request, in order. */
  readonly requests: StreamedParams[];
  /** Hears how many run whenever one begins. */
  onStart(listener: (running: number) => void): void;
  /** Makes all running and the next request fail with this. */
  failWith(error: Error): void;
  exited(): boolean;
  /** What llama.cpp logged last. */
  lastError(): string | undefined;
}

/** A prompt token is a word. */
export function createScriptedWllama(slots: number, contextTokens: number, answerTokens = 24): ScriptedWllama {
  const requests: StreamedParams[] = [];
  let running = 0;
  let failure: Error | undefined;
  let exited = false;
  let lastError: string | undefined;
  let started = (_running: number) => {};

  async function answer(params: StreamedParams, beginning = ''): Promise<void> {
    const start = String(params.messages.at(-1)?.content).length + (params.seed ?? 0);
    const biases: Readonly<Record<string, number>> = params.logit_bias ?? {};
    const begun = tokensOf(beginning, start);
    const words = params.messages.reduce((sum, { content }) => sum + String(content).split(/\s+/).length, 0);
    const promptTokens = words + begun;
    ensureRoom(promptTokens, contextTokens);
    if (failure !== undefined) throw failure;
    const room = Math.min(params.max_tokens ?? Number.POSITIVE_INFINITY, answerTokens - begun + 1);
    params.onData(chunk({ role: 'assistant', content: null }, promptTokens, 0));
    let drawn = 0;
    let text = '';
    while (drawn < room) {
      await turn();
      if (failure !== undefined) throw failure;
      ensureGoingOn(params.abortSignal);
      drawn += 1;
      if (begun + drawn <= answerTokens) text += wordAt(start, begun + drawn, biases);
      if (text === '' && params.n_probs !== undefined && begun + drawn <= answerTokens) throw halfCharacter();
      if (text === '') continue;
      params.onData(chunk({ content: text }, promptTokens, drawn, params.n_probs));
      text = '';
    }
    end(params, begun + drawn > answerTokens ? 'stop' : 'length', promptTokens, drawn);
  }

  function halfCharacter(): Error {
    lastError = '[json.exception.type_error.316] invalid UTF-8 byte at index 0: 0xAD';
    return new Error('Invalid typed array length: 1163217991');
  }

  async function run(params: StreamedParams, beginning?: string): Promise<void> {
    requests.push(params);
    await occupy(() => answer(params, beginning));
  }

  async function occupy<Result>(work: () => Promise<Result>): Promise<Result> {
    if (running === slots) await new Promise(() => {});
    running += 1;
    started(running);
    try {
      return await work();
    } finally {
      running -= 1;
    }
  }

  async function embedding(text: string, abortSignal: AbortSignal): Promise<CreateEmbeddingResponse> {
    const prompt_tokens = text.split(/\s+/).length;
    ensureRoom(prompt_tokens, contextTokens);
    await turn();
    ensureGoingOn(abortSignal);
    if (failure !== undefined) throw failure;
    const angle = Array.from(text).reduce((sum, character) => sum + (character.codePointAt(0) ?? 0), 0);
    return {
      object: 'list',
      model: '',
      data: [{ object: 'embedding', index: 0, embedding: [Math.cos(angle), Math.sin(angle)] }],
      usage: { prompt_tokens, total_tokens: prompt_tokens },
    };
  }

  return {
    requests,
    createChatCompletion: (params) => run(params),
    createCompletion({ prompt, onData, logprobs: _, ...sampling }) {
      const [question = '', beginning] = String(prompt).split(TURN);
      return run({ ...sampling, messages: [{ role: 'user', content: question }], onData: toRaw(onData) }, beginning);
    },
    createEmbedding: ({ input, abortSignal }) => occupy(() => embedding(input, abortSignal)),
    exit() {
      exited = true;
      return Promise.resolve();
    },
    exited: () => exited,
    lastError: () => lastError,
    onStart(listener) {
      started = listener;
    },
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
      choices: choices.map(({ index, delta, finish_reason, logprobs }) => ({
        index,
        text: delta.content ?? '',
        finish_reason: finish_reason === 'tool_calls' ? null : finish_reason,
        // wllama's type says that there are none.
        logprobs: logprobs as null,
      })),
    });
}

function ensureRoom(tokens: number, contextTokens: number): void {
  if (tokens <= contextTokens) return;
  throw new Error(
    `request (${tokens} tokens) exceeds the available context size (${contextTokens} tokens), try increasing it`,
  );
}

function ensureGoingOn(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw Object.assign(new Error('Operation aborted'), { name: 'AbortError' });
}

function wordAt(start: number, token: number, biases: Readonly<Record<string, number>> = {}): string {
  const forced = Object.keys(biases).find((id) => biases[id] === 100);
  const chosen = (start + token) % WORDS.length;
  return WORDS[forced === undefined ? chosen + (biases[chosen] === -100 ? 1 : 0) : Number(forced)] ?? '';
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
  topCount?: number,
): ChatCompletionChunk {
  const unmeasured = { prompt_ms: 0, prompt_per_token_ms: 0, prompt_per_second: 0 };
  const timings = { ...unmeasured, predicted_ms: 0, predicted_per_token_ms: 0, predicted_per_second: 0 };
  const logprobs = topCount === undefined ? null : logprobsOf(String(delta.content), topCount);
  const choices = [{ index: 0, delta, finish_reason: null, logprobs }];
  return { ...envelope, choices, timings: { ...timings, cache_n: 0, prompt_n, predicted_n } };
}

/** Each likeliest token is twice as likely as the next one. */
function logprobsOf(token: string, topCount: number): ChatCompletionChoiceLogprobs {
  const likelihood = (text: string, rank: number) => ({
    token: text,
    bytes: Array.from(new TextEncoder().encode(text)),
    logprob: Math.log(0.5 ** rank),
  });
  const top = Array.from({ length: topCount }, (_, rank) => likelihood(rank === 0 ? token : `${rank}`, rank + 1));
  return { content: [{ ...likelihood(token, 1), top_logprobs: top }], refusal: null };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
