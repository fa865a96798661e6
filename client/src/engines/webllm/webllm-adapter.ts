/**
 * The engine port over a loaded WebLLM, in a worker or not: its chunks to events, its errors to the mesh's. Only what
 * WebLLM has had for long is called, so that older packages run it too. Requests in WebLLM's words are
 * `webllm-request.ts`, loading is `webllm-engine.ts`.
 */
import {
  AnswerText,
  type Engine,
  type EngineEvent,
  type EngineModel,
  type GenerationRequest,
  MeshError,
} from '@tabmesh/shared';
import { AnswerRunner } from '../kit/answer-runner.ts';
import { wrongOrder } from './mlc-conversation.ts';
import type { MlcPrompts } from './mlc-prompts.ts';
import { toWebllmChat, toWebllmCompletion, type WebllmChat, type WebllmCompletion } from './webllm-request.ts';

export interface WebllmChunk {
  /** `delta` from a chat, `text` from a raw completion. */
  readonly choices: readonly {
    readonly delta?: { readonly content?: string | null };
    readonly text?: string;
    readonly finish_reason?: string | null;
  }[];
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number } | null;
}

/** The part of WebLLM's engine that answers need; requests of one model queue inside it. */
export interface WebllmLike {
  readonly chat: {
    readonly completions: { create(request: WebllmChat): Promise<AsyncIterable<WebllmChunk>> };
  };
  readonly completions: { create(request: WebllmCompletion): Promise<AsyncIterable<WebllmChunk>> };
  /** Forgets the conversation that the next chat would build on, when it is the same one. */
  resetChat(): Promise<void>;
  /** Ends the running answer at its next token; it still yields its last chunks. */
  interruptGenerate(): void | Promise<void>;
  unload(): Promise<void>;
}

export interface WebllmEngineParts {
  readonly model: EngineModel;
  readonly webllm: WebllmLike;
  /** For models with the feature `continue`. */
  readonly prompts?: MlcPrompts | undefined;
  /** After `unload`: ends the worker. */
  dispose(): void;
}

export interface WebllmEngine extends Engine {
  /** To be called when the worker breaks or its GPU is gone. */
  lose(error: MeshError): void;
}

export function createWebllmEngine({ model, webllm, prompts, dispose }: WebllmEngineParts): WebllmEngine {
  const runner = new AnswerRunner(model.slots);
  let closed: Promise<void> | undefined;
  let lost = false;

  async function start(request: GenerationRequest): Promise<AsyncIterable<WebllmChunk>> {
    const { continues, temperature, seed } = request;
    if (continues !== undefined) {
      return webllm.completions.create(toWebllmCompletion(request, continues.text, prompts));
    }
    const chat = toWebllmChat(request);
    // What WebLLM keeps of an answer lacks the token that ended it, so the next one differs from that of another engine.
    if (temperature === 0 || seed !== undefined) await webllm.resetChat();
    return webllm.chat.completions.create(chat);
  }

  async function answer(request: GenerationRequest, emit: (event: EngineEvent) => void, signal: AbortSignal) {
    // Chunks that were asked for are always read to their end: WebLLM holds its lock until then.
    const reader = new ChunkReader(request, prompts?.uncountedTokens ?? 0, emit);
    const interrupt = () => void webllm.interruptGenerate();
    try {
      const chunks = await start(request);
      signal.addEventListener('abort', interrupt, { once: true });
      for await (const chunk of chunks) {
        if (!signal.aborted) reader.read(chunk);
        // Again with every chunk: an interrupt that comes before the answer has begun is forgotten.
        if (signal.aborted || reader.stopped) interrupt();
      }
      if (!signal.aborted) reader.end();
    } catch (error) {
      throw requestError(error, model.contextTokens);
    } finally {
      signal.removeEventListener('abort', interrupt);
    }
  }

  return {
    model,
    generate: (request, signal) => runner.run((emit, stopped) => answer(request, emit, stopped), signal),
    onLost: (listener) => runner.onLost(listener),
    lose(error) {
      if (lost) return;
      lost = true;
      runner.lose(error);
      dispose();
    },
    close() {
      runner.close();
      // A lost engine answers no call any more; ending its worker has freed all that was left.
      closed ??= lost
        ? Promise.resolve()
        : webllm
            .unload()
            .catch(() => {})
            .finally(dispose);
      return closed;
    },
  };
}

/**
 * WebLLM yields a chunk for nearly every token, none while a character is incomplete, and the count only at the end: a
 * chunk counts as one token, and what is missing then comes last, without a text.
 */
class ChunkReader {
  readonly #text: AnswerText;
  readonly #emit: (event: EngineEvent) => void;
  /** Of a raw prompt, which WebLLM counts and a chat's does not have: the beginning of the answer, and what begins a chat. */
  readonly #uncountedTokens: number;
  #usage: WebllmChunk['usage'];
  #cut = false;

  constructor({ stop, continues }: GenerationRequest, prefixTokens: number, emit: (event: EngineEvent) => void) {
    this.#text = new AnswerText(stop, emit, { begun: continues?.text });
    this.#emit = emit;
    this.#uncountedTokens = continues === undefined ? 0 : prefixTokens + continues.tokenCount;
  }

  get stopped(): boolean {
    return this.#text.stopped;
  }

  read({ choices: [choice], usage }: WebllmChunk): void {
    if (usage) this.#usage = usage;
    if (choice?.finish_reason === 'length') this.#cut = true;
    const content = choice?.text ?? choice?.delta?.content ?? '';
    if (content !== '') this.#text.push(content, 1);
  }

  end(): void {
    if (!this.#usage) throw new Error('the answer ended without a usage');
    const { prompt_tokens, completion_tokens } = this.#usage;
    // The token with which a model ends its answer is counted by WebLLM, but it is no part of the answer.
    this.#text.end(this.#cut ? completion_tokens : completion_tokens - 1);
    this.#emit({
      type: 'end',
      reason: this.#cut && !this.stopped ? 'length' : 'stop',
      usage: {
        // WebLLM counts the new part of a conversation only, and does not tell what it had cached.
        promptTokens: Math.max(0, prompt_tokens - this.#uncountedTokens),
        completionTokens: this.#text.tokenCount,
        cachedTokens: 0,
      },
      ...this.#text.stop,
    });
  }
}

/** Errors come out of the worker as text. */
function requestError(error: unknown, contextTokens: number): MeshError {
  if (MeshError.is(error)) return error;
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const overflow = /number of prompt tokens: (\d+); context window size: (\d+)/.exec(text);
  // Of a running conversation WebLLM counts the new part only, which alone may be shorter than the context.
  if (overflow) return MeshError.contextLengthExceeded(Math.max(Number(overflow[1]), contextTokens), contextTokens);
  if (/MessageOrderError|SystemMessageOrderError|last message should be/i.test(text)) return wrongOrder(error);
  if (text.includes('grammar matcher')) {
    return new MeshError('invalid_request', "WebLLM can't follow this JSON schema. Make it simpler.", {
      cause: error,
      details: { param: 'response_format' },
    });
  }
  if (/device.*lost|out of memory|DeviceLostError/i.test(text)) return gpuLost(text, error);
  return MeshError.engineFailed(text, error);
}

/** The GPU's memory gave out or its driver was reset. */
export function gpuLost(reason: string, cause?: unknown): MeshError {
  return new MeshError(
    'out_of_memory',
    `The GPU gave up on the model (${reason.slice(0, 200)}). Close other tabs or choose a smaller model, then load it again.`,
    { retryable: true, cause },
  );
}
