/**
 * WebLLM without a model, with WebLLM's manners: answers of one model queue behind a lock that is held until the chunks
 * are read to their end, an interrupt counts only while an answer runs, the token that ends an answer is counted and has
 * no text, a character in pieces yields no chunk, and the usage comes last. A chat that follows on the one before builds on
 * what was kept of it, which is not quite the same; a raw completion goes on with its prompt and knows no conversation.
 */
import { ClassId, type EngineModel, ModelId } from '@tabmesh/shared';
import { jsonWords, steeredWords } from '../../shared/src/testing/scripted-extras.ts';
import { mlcPrompts } from '../src/engines/webllm/mlc-prompts.ts';
import type { WebllmChunk, WebllmLike } from '../src/engines/webllm/webllm-adapter.ts';
import type { WebllmChat, WebllmRequest } from '../src/engines/webllm/webllm-request.ts';

export const MODEL: EngineModel = {
  id: ModelId.parse('scripted-mlc'),
  classId: ClassId.parse('0'.repeat(32)),
  family: 'mlc',
  backend: 'WebLLM · scripted',
  contextTokens: 512,
  slots: 1,
  sizeBytes: 1,
  features: ['seed', 'json', 'logit-bias', 'penalties', 'continue'],
};

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

/** How its model writes a conversation out. */
export const PROMPTS = mlcPrompts(
  {
    conv_template: {
      system_template: '<turn>system\n{system_message}</turn>\n',
      system_message: '',
      render_empty_system_message: false,
      system_prefix_token_ids: [100],
      roles: { user: '<turn>user', assistant: '<turn>assistant' },
      role_content_sep: '\n',
      role_empty_sep: '\n',
      seps: ['</turn>\n'],
    },
  },
  {
    added_tokens: ['<begin>', '<turn>', '</turn>'].map((content, index) => {
      return { id: 100 + index, content, single_word: false, lstrip: false, rstrip: false, normalized: false };
    }),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false },
    decoder: { type: 'ByteLevel' },
  },
);

export interface ScriptedWebllm extends WebllmLike {
  /** Every request, in order. */
  readonly requests: readonly WebllmRequest[];
  unloaded(): boolean;
}

/** A prompt token is a word. Errors are texts, as those that come out of WebLLM's worker. `turn`: a step of the GPU. */
export function createScriptedWebllm(
  contextTokens: number,
  turn: () => Promise<void> = everythingElse,
  answerTokens = 24,
): ScriptedWebllm {
  const requests: WebllmRequest[] = [];
  let lock = Promise.resolve();
  let interrupted = false;
  let unloaded = false;
  /** The conversation that the next chat may follow on. */
  let kept: string | undefined;

  async function* answer(request: WebllmRequest): AsyncGenerator<WebllmChunk> {
    const release = await acquire();
    try {
      interrupted = false;
      const { messages, begun, prefixTokens } = 'prompt' in request ? readPrompt(request.prompt) : chatOf(request);
      const follows = kept === JSON.stringify(messages.slice(0, -1));
      kept = undefined;
      const words = wordsOf(request, messages, answerTokens, follows ? 1 : 0);
      const begunTokens = tokensOf(begun, words);
      const read = follows ? messages.slice(-1) : messages;
      const promptTokens =
        prefixTokens + begunTokens + read.reduce((sum, { content }) => sum + content.split(/\s+/).length, 0);
      if (promptTokens > contextTokens) {
        throw `ContextWindowSizeExceededError: Prompt tokens exceed context window size: number of prompt tokens: ${promptTokens}; context window size: ${contextTokens}`;
      }
      await turn();
      const rest = words.slice(begunTokens);
      let drawn = 0;
      let text = '';
      let ended: 'stop' | 'length' | 'abort' | undefined;
      while (ended === undefined) {
        if (interrupted) ended = 'abort';
        else if (drawn === rest.length) ended = 'stop';
        else text += rest[drawn] ?? '';
        if (ended !== 'abort') drawn += 1;
        if (ended === undefined && drawn >= request.max_tokens) ended = 'length';
        if (text !== '' || ended === 'stop') yield 'prompt' in request ? completionChunk(text) : chunk(text);
        text = '';
        await turn();
      }
      if (ended === 'stop' && !('prompt' in request)) {
        kept = JSON.stringify([...messages, { role: 'assistant', content: words.join('') }]);
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

  const completions = {
    create(request: WebllmRequest) {
      requests.push(request);
      return Promise.resolve(answer(request));
    },
  };

  return {
    requests,
    chat: { completions },
    completions: { ...completions },
    resetChat() {
      kept = undefined;
      return Promise.resolve();
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

function chatOf({ messages }: WebllmChat) {
  return { messages, begun: '', prefixTokens: 0 };
}

/** A conversation and the beginning of its answer, out of what `PROMPTS` wrote. */
function readPrompt(prompt: string) {
  const header = '<turn>assistant\n';
  const end = prompt.lastIndexOf(header);
  const messages = [...prompt.slice(0, end).matchAll(/<turn>(\w+)\n(.*?)<\/turn>/gs)].map(
    ([, role = '', content = '']) => ({ role, content }),
  );
  return { messages, begun: prompt.slice(end + header.length), prefixTokens: prompt.startsWith('<begin>') ? 1 : 0 };
}

function tokensOf(begun: string, words: readonly string[]): number {
  const count = words.findIndex((_, index) => words.slice(0, index).join('') === begun);
  return count === -1 ? words.length : count;
}

function wordsOf(
  request: WebllmRequest,
  messages: readonly { readonly content: string }[],
  answerTokens: number,
  shift: number,
): string[] {
  const { logit_bias, presence_penalty, frequency_penalty, seed = 0 } = request;
  if ('response_format' in request && request.response_format !== undefined) {
    try {
      return jsonWords({ type: 'json_schema', schema: JSON.parse(request.response_format.schema) });
    } catch (error) {
      throw `GrammarMatcherInitError: Failed to initialize the grammar matcher for response format \`json_object\`: ${error}`;
    }
  }
  const start = shift + seed + (messages.at(-1)?.content.length ?? 0);
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

function chunk(content: string): WebllmChunk {
  return { choices: [{ delta: { content }, finish_reason: null }] };
}

function completionChunk(text: string): WebllmChunk {
  return { choices: [{ text, finish_reason: null }] };
}

function everythingElse(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
