/**
 * WebLLM without a model, with WebLLM's manners: answers of one model queue behind a lock that is held until the chunks
 * are read to their end, an interrupt counts only while an answer runs, the token that ends an answer is counted and has
 * no text, a character in pieces yields no chunk, and the usage comes last.
 */
import { jsonWords, steeredWords } from '../../shared/src/testing/scripted-extras.ts';
import type { WebllmChunk, WebllmLike } from '../src/engines/webllm-adapter.ts';
import type { WebllmRequest } from '../src/engines/webllm-request.ts';

/** A token's id is its place here. */
export const WORDS = [
  'The',
  ' mesh',
  '',
  '',
  ' 🧭',
  ' is',
  ' naïve',
  ' and',
  ' measures',
  ' what',
  ' it',
  ' finds',
  '.',
];

export interface ScriptedWebllm extends WebllmLike {
  /** Every request, in order. */
  readonly requests: readonly WebllmRequest[];
  unloaded(): boolean;
}

/** A prompt token is a word. Errors are texts, as those that come out of WebLLM's worker. */
export function createScriptedWebllm(contextTokens: number, answerTokens = 24): ScriptedWebllm {
  const requests: WebllmRequest[] = [];
  let lock = Promise.resolve();
  let interrupted = false;
  let unloaded = false;

  async function* answer(request: WebllmRequest): AsyncGenerator<WebllmChunk> {
    const release = await acquire();
    try {
      interrupted = false;
      const promptTokens = request.messages.reduce((sum, { content }) => sum + content.split(/\s+/).length, 0);
      if (promptTokens > contextTokens) {
        throw `ContextWindowSizeExceededError: Prompt tokens exceed context window size: number of prompt tokens: ${promptTokens}; context window size: ${contextTokens}`;
      }
      await turn();
      const words = wordsOf(request, answerTokens);
      let drawn = 0;
      let text = '';
      let ended: 'stop' | 'length' | 'abort' | undefined;
      while (ended === undefined) {
        if (interrupted) ended = 'abort';
        else if (drawn === words.length) ended = 'stop';
        else text += words[drawn] ?? '';
        if (ended !== 'abort') drawn += 1;
        if (ended === undefined && drawn >= request.max_tokens) ended = 'length';
        if (text !== '' || ended === 'stop') yield chunk(text, null);
        text = '';
        await turn();
      }
      yield { choices: [{ delta: {}, finish_reason: ended }] };
      yield { choices: [], usage: { prompt_tokens: promptTokens, completion_tokens: drawn } };
    } finally {
      release();
    }
  }

  async function acquire(): Promise<() => void> {
    const before = lock;
    let release = () => {};
    lock = new Promise((resolve) => {
      release = resolve;
    });
    await before;
    return release;
  }

  return {
    requests,
    chat: {
      completions: {
        create(request) {
          requests.push(request);
          return Promise.resolve(answer(request));
        },
      },
    },
    interruptGenerate() {
      interrupted = true;
    },
    unload() {
      unloaded = true;
      return Promise.resolve();
    },
    unloaded: () => unloaded,
  };
}

function wordsOf(request: WebllmRequest, answerTokens: number): string[] {
  const { response_format, logit_bias, presence_penalty, frequency_penalty, seed = 0 } = request;
  if (response_format !== undefined) {
    try {
      return jsonWords({ type: 'json_schema', schema: JSON.parse(response_format.schema) });
    } catch (error) {
      throw `GrammarMatcherInitError: Failed to initialize the grammar matcher for response format \`json_object\`: ${error}`;
    }
  }
  const start = seed + (request.messages.at(-1)?.content.length ?? 0);
  const words = Array.from({ length: answerTokens }, (_, index) => WORDS[(start + index) % WORDS.length] ?? '');
  return steeredWords(
    words,
    {
      messages: [],
      maxTokens: request.max_tokens,
      temperature: 0,
      topP: 1,
      stop: [],
      logitBias: logit_bias,
      presencePenalty: presence_penalty,
      frequencyPenalty: frequency_penalty,
    },
    WORDS,
  );
}

function chunk(content: string, finish_reason: string | null): WebllmChunk {
  return { choices: [{ delta: { content }, finish_reason }] };
}

/** A step of the GPU: everything else runs in between. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
