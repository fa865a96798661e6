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
import { AnswerRunner } from './answer-runner.ts';
import { toWebllmRequest, type WebllmRequest } from './webllm-request.ts';

export interface WebllmChunk {
  readonly choices: readonly {
    readonly delta: { readonly content?: string | null };
    readonly finish_reason?: string | null;
  }[];
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number } | null;
}

/** The part of WebLLM's engine that answers need; requests of one model queue inside it. */
export interface WebllmLike {
  readonly chat: {
    readonly completions: { create(request: WebllmRequest): Promise<AsyncIterable<WebllmChunk>> };
  };
  /** Ends the running answer at its next token; it still yields its last chunks. */
  interruptGenerate(): void | Promise<void>;
  unload(): Promise<void>;
}

export interface WebllmEngineParts {
  readonly model: EngineModel;
  readonly webllm: WebllmLike;
  /** After `unload`: ends the worker. */
  dispose(): void;
}

export interface WebllmEngine extends Engine {
  /** To be called when the worker breaks or its GPU is gone. */
  lose(error: MeshError): void;
}

export function createWebllmEngine({ model, webllm, dispose }: WebllmEngineParts): WebllmEngine {
  const runner = new AnswerRunner(model.slots);
  let closed: Promise<void> | undefined;
  let lost = false;

  async function answer(request: GenerationRequest, emit: (event: EngineEvent) => void, signal: AbortSignal) {
    // Chunks that were asked for are always read to their end: WebLLM holds its lock until then.
    const reader = new ChunkReader(request, emit);
    const interrupt = () => void webllm.interruptGenerate();
    try {
      const chunks = await webllm.chat.completions.create(toWebllmRequest(request));
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
  #usage: WebllmChunk['usage'];
  #cut = false;

  constructor(request: GenerationRequest, emit: (event: EngineEvent) => void) {
    this.#text = new AnswerText(request.stop, emit);
    this.#emit = emit;
  }

  get stopped(): boolean {
    return this.#text.stopped;
  }

  read({ choices: [choice], usage }: WebllmChunk): void {
    if (usage) this.#usage = usage;
    if (choice?.finish_reason === 'length') this.#cut = true;
    const content = choice?.delta.content ?? '';
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
      // WebLLM counts the new part of a conversation only, and does not tell what it had cached.
      usage: { promptTokens: prompt_tokens, completionTokens: this.#text.tokenCount, cachedTokens: 0 },
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
  if (/MessageOrderError|SystemMessageOrderError|last message should be/i.test(text)) {
    return new MeshError(
      'invalid_request',
      'WebLLM takes a system message only as the first, and a user message as the last. Change the order of the messages.',
      { cause: error },
    );
  }
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
