/**
 * The engine port over a loaded wllama, whatever loaded it: its chunks to events, its errors to the mesh's. Requests in
 * llama.cpp's words are `wllama-request.ts`, loading is `wllama-engine.ts`.
 */
import {
  AnswerText,
  type Embeddings,
  type Engine,
  type EngineEvent,
  type EngineModel,
  type GenerationRequest,
  MeshError,
  type TokenLogprob,
} from '@tabmesh/shared';
import type { ChatTemplate } from '@tabmesh/shared/chat-template';
import { checkMessages, checkTexts, leastPerMessage, type PromptBound } from '@tabmesh/shared/prompt-bound';
import type {
  ChatCompletionChunk,
  ChatCompletionLogprob,
  ChatCompletionLogprobsContent,
  ChatCompletionParams,
  CreateEmbeddingResponse,
  EmbeddingCreateParams,
  RawCompletionChunk,
  RawCompletionParams,
} from '@wllama/wllama/esm/index.js';
import { AnswerRunner } from '../kit/answer-runner.ts';
import { mayThrow, messagesOf, promptOf, samplingOf, type WllamaVocabulary, wellFormed } from './wllama-request.ts';

/** The part of `Wllama` that answers need. */
export interface WllamaChat {
  /** Resolves when the answer has ended and its slot is free; `onData` gets the chunks. */
  createChatCompletion(
    params: ChatCompletionParams & { stream: true; onData: (chunk: ChatCompletionChunk) => void },
  ): Promise<void>;
  createCompletion(
    params: RawCompletionParams & { stream: true; onData: (chunk: RawCompletionChunk) => void },
  ): Promise<void>;
  /** Of one text: of several, it would give the last one's only. */
  createEmbedding(
    params: EmbeddingCreateParams & { input: string; abortSignal: AbortSignal },
  ): Promise<CreateEmbeddingResponse>;
  exit(): Promise<void>;
}

export interface WllamaEngineParts {
  readonly model: EngineModel;
  readonly wllama: WllamaChat;
  /** The model's own. Without one llama.cpp's is used, and the model can't have the features `continue` and `logprobs`. */
  readonly template: ChatTemplate | undefined;
  readonly vocabulary: WllamaVocabulary;
  /** The last line that llama.cpp logged as an error; its exceptions are told nowhere else. */
  lastNativeError(): string | undefined;
}

export interface WllamaEngine extends Engine {
  /** To be called when the worker itself breaks, which wllama only logs. */
  lose(error: MeshError): void;
}

export function createWllamaEngine(parts: WllamaEngineParts): WllamaEngine {
  const { model, wllama, template, vocabulary, lastNativeError } = parts;
  // wllama hangs when it has more requests than sequences, so the line in front of it is kept here.
  const runner = new AnswerRunner(model.slots);
  const unstarted = new Set<GenerationRequest>();
  let exited: Promise<void> | undefined;
  const { floor } = vocabulary;
  const { contextTokens } = model;
  const perMessageTokens = template === undefined ? 0 : leastPerMessage(template, floor);
  // What llama.cpp cuts into tokens stops all its other answers meanwhile, so nothing is let through to be counted.
  const bound: PromptBound = { contextTokens, floor, perMessageTokens, slack: 1 };

  async function answer(
    request: GenerationRequest,
    emit: (event: EngineEvent) => void,
    signal: AbortSignal,
  ): Promise<void> {
    checkMessages(bound, request.messages, request.continues?.text ?? '');
    const prompt = template && promptOf(request, template, vocabulary);
    const chunks = new ChunkReader(request, emit, prompt?.opensThought);
    const cut = new AbortController();
    unstarted.add(request);
    try {
      const call = {
        ...samplingOf(request, vocabulary),
        stream: true as const,
        abortSignal: AbortSignal.any([signal, cut.signal]),
        onData(chunk: ChatCompletionChunk | RawCompletionChunk) {
          unstarted.delete(request);
          chunks.read(chunk);
          if (chunks.stopped) cut.abort();
        },
      };
      // As a chat it would lose the spaces and line breaks that an answer begins with, a template that refuses its messages
      // would end other answers too, and going on behind a last message of the assistant repeats that message.
      if (prompt !== undefined) await wllama.createCompletion({ ...call, prompt: prompt.text });
      else if (request.continues !== undefined) throw MeshError.unsupportedFeature('continue');
      else await wllama.createChatCompletion({ ...call, messages: messagesOf(request, vocabulary) });
    } catch (error) {
      const mine = unstarted.has(request) && unstarted.size === 1;
      const failure = mayThrow(request) && isHalfCharacter(error) ? halfCharacter(error) : failureOf(error, mine);
      if (!chunks.stopped || signal.aborted || failure.code !== 'cancelled') throw failure;
    } finally {
      unstarted.delete(request);
    }
    chunks.end();
  }

  async function embed(inputs: readonly string[], signal: AbortSignal): Promise<Embeddings> {
    for (const input of inputs) checkTexts(bound, input);
    const vectors: Float32Array[] = [];
    let promptTokens = 0;
    try {
      for (const input of inputs) {
        if (signal.aborted) throw MeshError.cancelled();
        const { data, usage } = await wllama.createEmbedding({ input: wellFormed(input), abortSignal: signal });
        vectors.push(vectorOf(data[0]?.embedding));
        promptTokens += usage.prompt_tokens;
      }
    } catch (error) {
      throw failureOf(error, false);
    }
    return { vectors, promptTokens };
  }

  function failureOf(error: unknown, mine: boolean): MeshError {
    const failure = requestError(error, model.contextTokens, mine, lastNativeError());
    if (isFatal(error)) lose(failure);
    return failure;
  }

  function isHalfCharacter(error: unknown): boolean {
    return isException(error) && lastNativeError()?.includes('invalid UTF-8') === true;
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
    generate: (request, signal) =>
      runner.run((emit, stopped) => answer(request, emit, stopped), signal, { alone: mayThrow(request) }),
    async embed(inputs, signal) {
      const work = async (emit: (embeddings: Embeddings) => void, stopped: AbortSignal) =>
        emit(await embed(inputs, stopped));
      for await (const embeddings of runner.run(work, signal)) return embeddings;
      throw MeshError.cancelled();
    },
    onLost: (listener) => runner.onLost(listener),
    lose,
    close() {
      runner.close();
      return exit();
    },
  };
}

/** llama.cpp counts the tokens itself; a chunk may have none, one or several of them. */
class ChunkReader {
  readonly #text: AnswerText;
  readonly #emit: (event: EngineEvent) => void;
  /** llama.cpp counts these as prompt. */
  readonly #begunTokens: number;
  readonly #topLogprobs: number;
  #promptTokens = 0;
  #cachedTokens = 0;
  #drawnTokens = 0;
  #ended: 'stop' | 'length' | undefined;

  constructor(request: GenerationRequest, emit: (event: EngineEvent) => void, promptOpensThought = false) {
    this.#text = new AnswerText(request.stop, emit, { promptOpensThought, begun: request.continues?.text });
    this.#begunTokens = request.continues?.tokenCount ?? 0;
    this.#topLogprobs = request.topLogprobs ?? 0;
    this.#emit = emit;
  }

  get stopped(): boolean {
    return this.#text.stopped;
  }

  read({ choices: [choice], timings, usage }: ChatCompletionChunk | RawCompletionChunk): void {
    if (timings) {
      // How many tokens the beginning has, only the asker says.
      this.#promptTokens = Math.max(0, timings.cache_n + timings.prompt_n - this.#begunTokens);
      this.#cachedTokens = Math.min(timings.cache_n, this.#promptTokens);
    }
    const drawnTokens = usage?.completion_tokens ?? timings?.predicted_n ?? this.#drawnTokens;
    if (choice?.finish_reason) this.#ended = choice.finish_reason === 'length' ? 'length' : 'stop';
    const content = (choice && ('text' in choice ? choice.text : choice.delta.content)) ?? '';
    // The token that ends an answer has a probability too, but no text.
    const told = content === '' ? [] : (choice?.logprobs?.content ?? []);
    const logprobs = told.map((one) => tokenLogprobOf(one, this.#topLogprobs));
    if (content !== '') this.#text.push(content, Math.max(0, drawnTokens - this.#drawnTokens), logprobs);
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
      ...this.#text.stop,
    });
  }
}

function tokenLogprobOf(one: ChatCompletionLogprobsContent, topCount: number): TokenLogprob {
  return { ...likelihoodOf(one), top: one.top_logprobs.slice(0, topCount).map(likelihoodOf) };
}

/** For a probability of 0, of which JSON holds no logarithm. */
const LEAST_LOGPROB = -9999;

function likelihoodOf({ token, bytes, logprob }: ChatCompletionLogprob) {
  const bounded = Math.min(0, Math.max(LEAST_LOGPROB, logprob));
  if (bytes === null || isText(bytes)) return { token, logprob: bounded };
  // As OpenAI and native peers write a part of a character.
  const written = bytes.map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
  return { token: `bytes:${written}`, logprob: bounded, bytes };
}

function isText(bytes: readonly number[]): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(bytes));
    return true;
  } catch {
    return false;
  }
}

/** llama.cpp has made it of length 1 already. */
function vectorOf(embedding: string | number[] | undefined): Float32Array {
  if (!Array.isArray(embedding)) throw new Error('it made no vector');
  return Float32Array.from(embedding);
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
  if (MeshError.is(error)) return error;
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof Error && error.name === 'AbortError') return MeshError.cancelled();
  const overflow = /request \((\d+) tokens\) exceeds the available context size \((\d+) tokens\)/.exec(text);
  if (overflow) return MeshError.contextLengthExceeded(Number(overflow[1]), contextTokens);
  if (text.startsWith('Failed to initialize samplers')) {
    const trouble = text.endsWith('failed to parse grammar')
      ? "llama.cpp can't follow this JSON schema. Make it simpler."
      : 'The beginning of the answer does not follow its JSON schema.';
    return new MeshError('invalid_request', trouble, { cause: error, details: { param: 'response_format' } });
  }
  if (isException(error)) {
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

/** wllama reads its own request where llama.cpp left no answer. */
function isException(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('Invalid typed array length');
}

/** For another peer to try: what came is whole, and the engine is well. */
function halfCharacter(cause: unknown): MeshError {
  return new MeshError(
    'unsupported',
    "This peer's engine can't tell the probabilities of parts of characters, nor be forced to say them.",
    { retryable: true, cause },
  );
}

/** After an abort wllama answers no call any more. */
function isFatal(error: unknown): boolean {
  const text = error instanceof Error ? error.message : String(error);
  return text.startsWith('(ABORT)') || text.includes('wllama has crashed') || text.includes('memory access out of');
}
