/**
 * The `Engine` port on a model that another program serves over HTTP. The protocol only carries; what the mesh expects of an
 * answer is made here: whole characters, token counts that add up, stop strings that never show, thoughts told apart.
 */
import {
  AnswerText,
  type Clock,
  type Embeddings,
  type Engine,
  type EngineEvent,
  type EngineModel,
  type GenerationRequest,
  MeshError,
  type ModelFeature,
} from '@tabmesh/shared';
import { arrangedTurns } from '@tabmesh/shared/arranged-turns';
import { grammarOfSchema } from '@tabmesh/shared/json-grammar';
import { CHECK_SERVER_MS } from '../limits.ts';
import { isUnreachable } from './model-server.ts';
import { PartText } from './part-text.ts';
import { isOfTheOrder } from './server-failure.ts';
import type { ServerProtocol } from './server-protocol.ts';

export interface HttpEngineParts {
  readonly protocol: ServerProtocol;
  readonly features: readonly ModelFeature[];
  readonly clock: Clock;
}

export class HttpEngine implements Engine {
  readonly model: EngineModel;
  readonly #options: HttpEngineParts;
  readonly #running = new Set<AbortController>();
  readonly #lostListeners = new Set<(error: Error) => void>();
  readonly #closing = new AbortController();
  #lost: MeshError | undefined;
  /** Its server would look for stop strings in thoughts too, so they are looked for here. */
  #thinks = false;
  #checking: Promise<void> | undefined;
  #cancelCheck: () => void = () => {};

  constructor(options: HttpEngineParts) {
    this.#options = options;
    this.model = { ...options.protocol.model, features: options.features };
    this.#scheduleCheck();
  }

  async *generate(request: GenerationRequest, signal: AbortSignal): AsyncGenerator<EngineEvent> {
    const { responseFormat } = request;
    // Anybody in the mesh may have written it; there are schemas that keep a server busy for good.
    if (responseFormat?.type === 'json_schema') grammarOfSchema(responseFormat.schema);
    const slot = this.#take(signal);
    const leave = () => slot.abort();
    signal.addEventListener('abort', leave);
    try {
      yield* this.#inOrder(request, slot.signal);
    } catch (error) {
      throw this.#explain(error, slot.signal);
    } finally {
      signal.removeEventListener('abort', leave);
      // Also ends the request of a reader that left the loop.
      slot.abort();
      this.#running.delete(slot);
    }
  }

  async embed(inputs: readonly string[], signal: AbortSignal): Promise<Embeddings> {
    if (!this.model.features.includes('embeddings')) throw MeshError.unsupportedFeature('embeddings');
    const slot = this.#take(signal);
    const leave = () => slot.abort();
    signal.addEventListener('abort', leave);
    try {
      const { vectors, promptTokens } = await this.#options.protocol.embed(inputs, slot.signal);
      return { vectors: vectors.map(ofLengthOne), promptTokens };
    } catch (error) {
      throw this.#explain(this.#asContextError(error), slot.signal);
    } finally {
      signal.removeEventListener('abort', leave);
      this.#running.delete(slot);
    }
  }

  onLost(listener: (error: Error) => void): () => void {
    this.#lostListeners.add(listener);
    return () => this.#lostListeners.delete(listener);
  }

  close(): Promise<void> {
    this.#cancelCheck();
    this.#lostListeners.clear();
    this.#closing.abort();
    for (const slot of this.#running) slot.abort();
    return Promise.resolve();
  }

  #take(signal: AbortSignal): AbortController {
    if (this.#closing.signal.aborted) throw MeshError.closed('engine');
    if (signal.aborted) throw MeshError.cancelled();
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#running.size >= this.model.slots) throw MeshError.peerBusy(0);
    const slot = new AbortController();
    this.#running.add(slot);
    return slot;
  }

  /** Again in another order, as long as the template of the server's model refuses the messages. */
  async *#inOrder(request: GenerationRequest, signal: AbortSignal): AsyncGenerator<EngineEvent> {
    let refusal: unknown;
    for (const messages of ordersOf(request.messages)) {
      try {
        yield* this.#answer({ ...request, messages }, signal);
        return;
      } catch (error) {
        if (!isOfTheOrder(error)) throw error;
        refusal ??= error;
      }
    }
    throw refusal;
  }

  /** Once more with less, where prompt and longest answer together are what a server refuses. */
  async *#answer(request: GenerationRequest, signal: AbortSignal): AsyncGenerator<EngineEvent> {
    let isBegun = false;
    try {
      for await (const event of this.#answerOnce(request, signal)) {
        isBegun = true;
        yield event;
      }
    } catch (error) {
      const room = this.#roomOf(error);
      if (isBegun || room === undefined || room >= request.maxTokens) throw this.#asContextError(error);
      yield* this.#answerOnce({ ...request, maxTokens: room }, signal);
    }
  }

  async *#answerOnce(request: GenerationRequest, signal: AbortSignal): AsyncGenerator<EngineEvent> {
    const { maxTokens } = request;
    const ready: EngineEvent[] = [];
    const text = new AnswerText(request.stop, (event) => ready.push(event));
    const parts = new PartText();
    let usage: { promptTokens?: number; cachedTokens?: number; completionTokens?: number } = {};
    let reason: 'stop' | 'length' | undefined;
    const asked = this.#thinks ? { ...request, stop: [] } : request;
    for await (const part of this.#options.protocol.answer(asked, signal)) {
      this.#thinks ||= part.thought !== '';
      usage = { ...usage, ...part.usage };
      reason ??= part.reason;
      const arrived = parts.push(part);
      // Not every server tells the probability of each token that it counts; where they are asked for, they count.
      const told = request.topLogprobs === undefined ? part.usage.completionTokens : undefined;
      const guessed = Math.max(part.logprobs.length, part.text + part.thought === '' ? 0 : 1);
      const count = told === undefined ? guessed : Math.max(0, told - text.tokenCount);
      // More chunks than tokens may be asked for: the requester would take the peer for a liar.
      if (arrived !== '' && text.tokenCount >= maxTokens) {
        reason = 'length';
        break;
      }
      if (arrived !== '' || count > 0) {
        text.push(arrived, Math.min(count, maxTokens - text.tokenCount), part.logprobs);
      }
      if (ready.length > 0) yield* ready.splice(0);
      if (text.stopped) break;
    }
    if (text.stopped) reason = 'stop';
    if (reason === undefined) throw MeshError.engineFailed('its server stopped within the answer');
    const counted = request.topLogprobs === undefined ? usage.completionTokens : undefined;
    text.end(Math.min(maxTokens, counted ?? text.tokenCount));
    yield* ready;
    const { promptTokens = 0, cachedTokens = 0 } = usage;
    yield {
      type: 'end',
      reason,
      usage: { promptTokens, cachedTokens: Math.min(cachedTokens, promptTokens), completionTokens: text.tokenCount },
      ...text.stop,
      ...(usage.completionTokens === undefined ? { usageIsGuess: true } : {}),
    };
  }

  /** Tokens that an answer to a refused prompt could have; undefined when the prompt itself is too long, or unknown. */
  #roomOf(error: unknown): number | undefined {
    if (!MeshError.is(error, 'context_length_exceeded')) return undefined;
    const { promptTokens } = error.details;
    const { contextTokens } = this.model;
    return typeof promptTokens === 'number' && promptTokens < contextTokens ? contextTokens - promptTokens : undefined;
  }

  /** With both counts. A server that tells none has at least seen more than its context. */
  #asContextError(error: unknown): unknown {
    if (!MeshError.is(error, 'context_length_exceeded')) return error;
    const { contextTokens } = this.model;
    return MeshError.contextLengthExceeded(
      Math.max(Number(error.details.promptTokens ?? 0), contextTokens),
      contextTokens,
    );
  }

  #explain(error: unknown, slot: AbortSignal): unknown {
    if (slot.aborted) return MeshError.cancelled();
    if (isUnreachable(error)) void this.#check();
    return MeshError.is(error)
      ? error
      : MeshError.engineFailed(error instanceof Error ? error.message : String(error), error);
  }

  #scheduleCheck(): void {
    this.#cancelCheck = this.#options.clock.after(CHECK_SERVER_MS, () => {
      void this.#check().then(() => {
        if (this.#lost === undefined && !this.#closing.signal.aborted) this.#scheduleCheck();
      });
    });
  }

  /** Only a server that can't be reached is lost: one that is slow or refuses may be busy. Never rejects. */
  #check(): Promise<void> {
    this.#checking ??= this.#options.protocol
      .check(this.#closing.signal)
      .catch((error: unknown) => {
        if (isUnreachable(error) && MeshError.is(error) && !this.#closing.signal.aborted) this.#lose(error);
      })
      .finally(() => {
        this.#checking = undefined;
      });
    return this.#checking;
  }

  #lose(error: MeshError): void {
    if (this.#lost !== undefined) return;
    this.#lost = error;
    this.#cancelCheck();
    const listeners = [...this.#lostListeners];
    this.#lostListeners.clear();
    for (const listener of listeners) listener(error);
  }
}

function ofLengthOne(vector: readonly number[]): Float32Array {
  const length = Math.hypot(...vector);
  return Float32Array.from(vector, (value) => (length === 0 ? value : value / length));
}

function* ordersOf(messages: GenerationRequest['messages']): Generator<GenerationRequest['messages']> {
  yield messages;
  yield* arrangedTurns(messages);
}
