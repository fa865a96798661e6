/**
 * WebLLM without a model, with WebLLM's manners: answers of one model queue behind a lock that is held until the chunks
 * are read to their end, an interrupt counts only while an answer runs, the token that ends an answer is counted and has
 * no text, a character in pieces yields no chunk, and the usage comes last.
 */
import type { WebllmChunk, WebllmLike, WebllmRequest } from '../src/engines/webllm-adapter.ts';

const WORDS = ['The', ' mesh', '', '', ' 🧭', ' is', ' naïve', ' and', ' measures', ' what', ' it', ' finds', '.'];

export interface ScriptedWebllm extends WebllmLike {
  unloaded(): boolean;
}

/** A prompt token is a word. Errors are texts, as those that come out of WebLLM's worker. */
export function createScriptedWebllm(contextTokens: number, answerTokens = 24): ScriptedWebllm {
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
      const start = request.messages.at(-1)?.content.length ?? 0;
      let drawn = 0;
      let text = '';
      let ended: 'stop' | 'length' | 'abort' | undefined;
      while (ended === undefined) {
        if (interrupted) ended = 'abort';
        else if (drawn === answerTokens) ended = 'stop';
        else text += WORDS[(start + (request.seed ?? 0) + drawn) % WORDS.length] ?? '';
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
    chat: { completions: { create: (request) => Promise.resolve(answer(request)) } },
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

function chunk(content: string, finish_reason: string | null): WebllmChunk {
  return { choices: [{ delta: { content }, finish_reason }] };
}

/** A step of the GPU: everything else runs in between. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
