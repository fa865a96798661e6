/**
 * The engine port over a loaded wllama, whatever loaded it: requests to llama.cpp's parameters, its chunks to events, its
 * errors to the mesh's. Loading is `wllama-engine.ts`.
 */
import {
  AnswerText,
  type Engine,
  type EngineEvent,
  type EngineModel,
  type GenerationRequest,
  MeshError,
} from '@tabmesh/shared';
import type { ChatTemplate } from '@tabmesh/shared/chat-template';
import type {
  ChatCompletionChunk,
  ChatCompletionParams,
  RawCompletionChunk,
  RawCompletionParams,
} from '@wllama/wllama/esm/index.js';
import { AnswerRunner } from './answer-runner.ts';

/** The part of `Wllama` that answers need. */
export interface WllamaChat {
  /** Resolves when the answer has ended and its slot is free; `onData` gets the chunks. */
  createChatCompletion(
    params: ChatCompletionParams & { stream: true; onData: (chunk: ChatCompletionChunk) => void },
  ): Promise<void>;
  createCompletion(
    params: RawCompletionParams & { stream: true; onData: (chunk: RawCompletionChunk) => void },
  ): Promise<void>;
  exit(): Promise<void>;
}

export interface WllamaEngineParts {
  readonly model: EngineModel;
  readonly wllama: WllamaChat;
  /** The model's own, for answers that are begun already. Without one the model can't have the feature `continue`. */
  readonly template: ChatTemplate | undefined;
  /** The last line that llama.cpp logged as an error; its exceptions are told nowhere else. */
  lastNativeError(): string | undefined;
}

export interface WllamaEngine extends Engine {
  /** To be called when the worker itself breaks, which wllama only logs. */
  lose(error: MeshError): void;
}

export function createWllamaEngine({ model, wllama, template, lastNativeError }: WllamaEngineParts): WllamaEngine {
  // wllama hangs when it has more requests than sequences, so the line in front of it is kept here.
  const runner = new AnswerRunner(model.slots);
  const unstarted = new Set<GenerationRequest>();
  let exited: Promise<void> | undefined;

  async function answer(
    request: GenerationRequest,
    emit: (event: EngineEvent) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const chunks = new ChunkReader(request, emit);
    const cut = new AbortController();
    unstarted.add(request);
    try {
      const call = {
        ...sampling(request),
        stream: true as const,
        abortSignal: AbortSignal.any([signal, cut.signal]),
        onData(chunk: ChatCompletionChunk | RawCompletionChunk) {
          unstarted.delete(request);
          chunks.read(chunk);
          if (chunks.stopped) cut.abort();
        },
      };
      // Its own way to go on behind a last message of the assistant repeats that message and changes the prompt.
      if (request.continues === undefined)
        await wllama.createChatCompletion({ ...call, messages: messagesOf(request) });
      else await wllama.createCompletion({ ...call, prompt: promptOf(request, template) });
    } catch (error) {
      const mine = unstarted.has(request) && unstarted.size === 1;
      const failure = requestError(error, model.contextTokens, mine, lastNativeError());
      if (isFatal(error)) lose(failure);
      if (!chunks.stopped || signal.aborted || failure.code !== 'cancelled') throw failure;
    } finally {
      unstarted.delete(request);
    }
    chunks.end();
  }

  function exit(): Promise<void> {
    exited ??= wllama.exit();
    return exited;
  }

  /** A broken module still holds the memory of its model. */
  function lose(error: MeshError): void {
    runner.lose(error);
    void exit();
  }

  return {
    model,
    generate: (request, signal) => runner.run((emit, stopped) => answer(request, emit, stopped), signal),
    onLost: (listener) => runner.onLost(listener),
    lose,
    close() {
      runner.close();
      return exit();
    },
  };
}

function messagesOf({ messages }: GenerationRequest) {
  return messages.map(({ role, content }) => toWllamaMessage(role, wellFormed(content)));
}

function promptOf({ messages, continues }: GenerationRequest, template: ChatTemplate | undefined): string {
  if (template === undefined) throw new MeshError('unsupported', "This model can't go on with another peer's answer.");
  return wellFormed(template(messages) + (continues?.text ?? ''));
}

function sampling(request: GenerationRequest) {
  const { maxTokens, temperature, topP, seed } = request;
  const repeatable = temperature === 0 || seed !== undefined;
  return {
    max_tokens: maxTokens,
    temperature,
    top_p: topP,
    // llama.cpp's own defaults, named so that a tab and a native peer draw from the same distribution.
    top_k: 40,
    min_p: 0.05,
    ...(seed === undefined ? {} : { seed }),
    // A reused prefix was computed in batches of another shape, and its rounding changes a greedy answer now and then
    // (17 of 164 second and third turns on mesh-tiny). So only answers that need not repeat themselves reuse one.
    cache_prompt: !repeatable,
    timings_per_token: true,
    stream_options: { include_usage: true },
  };
}

function toWllamaMessage(role: GenerationRequest['messages'][number]['role'], content: string) {
  return role === 'tool' ? { role, content, tool_call_id: '' } : { role, content };
}

/** llama.cpp refuses half a surrogate pair with an exception that takes other answers along. */
function wellFormed(text: string): string {
  return new TextDecoder().decode(new TextEncoder().encode(text));
}

/** llama.cpp counts the tokens itself; a chunk may have none, one or several of them. */
class ChunkReader {
  readonly #text: AnswerText;
  readonly #emit: (event: EngineEvent) => void;
  /** llama.cpp counts these as prompt. */
  readonly #begunTokens: number;
  #promptTokens = 0;
  #cachedTokens = 0;
  #drawnTokens = 0;
  #ended: 'stop' | 'length' | undefined;

  constructor(request: GenerationRequest, emit: (event: EngineEvent) => void) {
    this.#text = new AnswerText(request.stop, emit);
    this.#begunTokens = request.continues?.tokenCount ?? 0;
    this.#emit = emit;
  }

  get stopped(): boolean {
    return this.#text.stopped;
  }

  read({ choices: [choice], timings, usage }: ChatCompletionChunk | RawCompletionChunk): void {
    if (timings) {
      this.#promptTokens = timings.cache_n + timings.prompt_n - this.#begunTokens;
      this.#cachedTokens = Math.min(timings.cache_n, this.#promptTokens);
    }
    const drawnTokens = usage?.completion_tokens ?? timings?.predicted_n ?? this.#drawnTokens;
    if (choice?.finish_reason) this.#ended = choice.finish_reason === 'length' ? 'length' : 'stop';
    const content = (choice && ('text' in choice ? choice.text : choice.delta.content)) ?? '';
    if (content !== '') this.#text.push(content, Math.max(0, drawnTokens - this.#drawnTokens));
    if (content !== '' || usage) this.#drawnTokens = drawnTokens;
  }

  end(): void {
    if (this.#ended === undefined && !this.stopped) throw new Error('the answer broke off');
    // The token with which a model ends its answer is counted by llama.cpp, but it is no part of the answer.
    this.#text.end(this.#ended === 'length' ? this.#drawnTokens : this.#drawnTokens - 1);
    this.#emit({
      type: 'end',
      reason: this.stopped ? 'stop' : (this.#ended ?? 'stop'),
      usage: {
        promptTokens: this.#promptTokens,
        completionTokens: this.#text.tokenCount,
        cachedTokens: this.#cachedTokens,
      },
    });
  }
}

/**
 * An exception inside llama.cpp (a chat template that refuses the messages, say) surfaces in every pending call alike, as
 * an array of a senseless length. `mine`: no other request was waiting for its first chunk, so this one caused it.
 */
function requestError(
  error: unknown,
  contextTokens: number,
  mine: boolean,
  nativeError: string | undefined,
): MeshError {
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof Error && error.name === 'AbortError') return MeshError.cancelled();
  const overflow = /request \((\d+) tokens\) exceeds the available context size \((\d+) tokens\)/.exec(text);
  if (overflow) return MeshError.contextLengthExceeded(Number(overflow[1]), contextTokens);
  if (text.startsWith('Invalid typed array length')) {
    const reason = nativeError ?? 'llama.cpp threw an exception';
    if (!mine) return MeshError.engineFailed(reason, error);
    return new MeshError(
      'invalid_request',
      `The model can't read these messages (${reason}). Change their roles or order, or choose another model.`,
      { cause: error },
    );
  }
  return MeshError.engineFailed(text, error);
}

/** After an abort wllama answers no call any more. */
function isFatal(error: unknown): boolean {
  const text = error instanceof Error ? error.message : String(error);
  return text.startsWith('(ABORT)') || text.includes('wllama has crashed') || text.includes('memory access out of');
}
