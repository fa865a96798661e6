/**
 * The `Engine` port on llama.cpp: one model, one context, `slots` sequences that are computed in common batches.
 */
import {
  AnswerText,
  type Embeddings,
  type Engine,
  type EngineEvent,
  type EngineModel,
  type GenerationRequest,
  MeshError,
  opensThought,
  type TokenLogprob,
} from '@tabmesh/shared';
import { THOUGHT_OPENED } from '@tabmesh/shared/chat-template';
import type { LlamaContext, LlamaContextSequence, LlamaModel, Token } from 'node-llama-cpp';
import { SHARED_BATCH_TOKENS } from '../limits.ts';
import { AnswerStop } from './answer-stop.ts';
import type { LlamaEmbedder } from './llama-embedder.ts';
import { LlamaGrammars } from './llama-grammars.ts';
import { copyBeginning } from './llama-internals.ts';
import { type NextToken, tellingTokens } from './llama-likelihoods.ts';
import { type Sampling, samplingOf } from './llama-sampling.ts';
import { TokenTexts } from './llama-token-texts.ts';
import type { PromptReader } from './prompts/prompt-reader.ts';
import { type Lane, SequencePool } from './sequence-pool.ts';
import { checkThoughts, endOfThoughts, planOf, thoughtsFirst } from './thoughts-first.ts';
import { type DecodedTokens, TokenDecoder } from './token-decoder.ts';

/** What `loadLlamaEngine` has loaded; the engine owns it from then on. */
export interface LoadedModel {
  readonly description: EngineModel;
  readonly model: LlamaModel;
  readonly context: LlamaContext;
  readonly prompts: Pick<PromptReader, 'chat' | 'close'>;
  /** Undefined where the model's kind makes no embeddings. */
  readonly embedder: LlamaEmbedder | undefined;
  /** Frees what lies below the model. */
  dispose(): Promise<void>;
}

/** A marker of thoughts and the blanks behind it are no more, whatever the vocabulary. */
const MARKER_TOKENS = 16;

export class LlamaEngine implements Engine {
  readonly model: EngineModel;
  readonly #loaded: LoadedModel;
  readonly #pool: SequencePool;
  readonly #grammars: LlamaGrammars;
  readonly #texts: TokenTexts;
  readonly #closing = new AbortController();
  readonly #lostListeners = new Set<(error: Error) => void>();
  #running = 0;
  /** Settles when every change of a sequence's memory that was asked for is made. */
  #changes: Promise<unknown> | undefined;
  #closed: Promise<void> | undefined;

  constructor(loaded: LoadedModel) {
    this.model = loaded.description;
    this.#loaded = loaded;
    this.#pool = new SequencePool(Array.from({ length: loaded.description.slots }, () => loaded.context.getSequence()));
    this.#grammars = new LlamaGrammars(loaded.model);
    this.#texts = new TokenTexts(loaded.model);
  }

  async *generate(request: GenerationRequest, signal: AbortSignal): AsyncIterable<EngineEvent> {
    this.#admit(signal);
    this.#running += 1;
    const stop = new AnswerStop(signal, this.#closing.signal);
    let lane: Lane | undefined;
    let promptTokens = 0;
    let cachedTokens = 0;
    let completionTokens = 0;
    let reason: 'stop' | 'length' = 'stop';
    let stopped: { readonly stopText?: string } = {};
    try {
      const { messages, continues, responseFormat } = request;
      const plan = planOf(request);
      const { prompt, begun } = await this.#loaded.prompts.chat(messages, plan.beginning, stop, plan.thinking);
      const promptOpensThought = opensThought(this.#loaded.model.detokenize(prompt.slice(-MARKER_TOKENS), true));
      checkThoughts(plan, continues, promptOpensThought);
      promptTokens = prompt.length;
      const known = [...prompt, ...begun];
      const { contextTokens } = this.model;
      if (known.length >= contextTokens) throw MeshError.contextLengthExceeded(known.length, contextTokens);
      const limit = Math.min(request.maxTokens, contextTokens - known.length);
      // First what may be wrong with the request: it should not cost another conversation's state.
      const answered = [...begun];
      const isJsonBehindThoughts = responseFormat !== undefined && plan.thinking === 'opened' && promptOpensThought;
      const thoughtsEnd = isJsonBehindThoughts ? endOfThoughts(this.#loaded.model, prompt, begun) : 0;
      const sampling = await this.#samplingOf(
        request,
        answered,
        thoughtsEnd ?? begun.length,
        begun.length + limit,
        stop,
      );
      lane = await this.#pool.take(known, stop);
      cachedTokens = await this.#prefill(lane, known, stop);
      const decoder = new TokenDecoder(this.#loaded.model.detokenize, known);
      const ready: EngineEvent[] = [];
      const text = new AnswerText(request.stop, (event) => ready.push(event), {
        promptOpensThought,
        begun: continues?.text,
      });
      if (isJsonBehindThoughts && continues === undefined) text.push(THOUGHT_OPENED, 0);
      const logprobs: TokenLogprob[] = [];
      const take = (decoded: DecodedTokens | undefined) =>
        decoded && text.push(decoded.text, decoded.tokenCount, logprobs.splice(0));
      const { sequence } = lane;
      const after = (all: readonly Token[], how: Sampling) =>
        this.#tokensAfter(all, sequence, how, request.topLogprobs);
      const { grammarEvaluationState: _, ...free } = sampling;
      const tokens =
        thoughtsEnd === undefined
          ? thoughtsFirst({
              model: this.#loaded.model,
              known,
              begun,
              free: () => after(known, free),
              constrained: (said) => after([...known, ...said], sampling),
            })
          : after(known, sampling);
      // The next token is under way while the one before is handed out: llama.cpp never waits for what its consumer does.
      const advance = (lane: Lane) => {
        const step = this.#changes === undefined ? tokens.next() : this.#changes.then(() => tokens.next());
        // Nobody waits for the one that the end of the answer left under way.
        step.catch(() => {});
        lane.work = step;
        return step;
      };
      try {
        let step = advance(lane);
        for (;;) {
          const { done, value } = await stop.race(step);
          if (done) break;
          completionTokens += 1;
          answered.push(value.token);
          if (value.likelihood !== undefined) logprobs.push(value.likelihood);
          if (completionTokens < limit) step = advance(lane);
          else reason = 'length';
          take(decoder.push(value.token));
          if (ready.length > 0) yield* ready.splice(0);
          if (text.stopped || reason === 'length') break;
        }
      } finally {
        lane.work = tokens.return();
      }
      take(decoder.end());
      if (text.stopped) reason = 'stop';
      stopped = text.stop;
      text.end(completionTokens);
      yield* ready;
    } catch (error) {
      throw await this.#explain(error, lane);
    } finally {
      stop.close();
      this.#running -= 1;
      if (lane !== undefined) this.#pool.release(lane);
    }
    yield {
      type: 'end',
      reason,
      usage: { promptTokens, completionTokens, cachedTokens: Math.min(cachedTokens, promptTokens) },
      ...stopped,
    };
  }

  async embed(inputs: readonly string[], signal: AbortSignal): Promise<Embeddings> {
    this.#admit(signal);
    const { embedder } = this.#loaded;
    if (embedder === undefined) throw MeshError.unsupportedFeature('embeddings');
    this.#running += 1;
    const stop = new AnswerStop(signal, this.#closing.signal);
    try {
      return await embedder.embed(inputs, stop);
    } catch (error) {
      throw await this.#explain(error, undefined);
    } finally {
      stop.close();
      this.#running -= 1;
    }
  }

  onLost(listener: (error: Error) => void): () => void {
    this.#lostListeners.add(listener);
    return () => this.#lostListeners.delete(listener);
  }

  close(): Promise<void> {
    this.#closed ??= this.#dispose();
    return this.#closed;
  }

  #admit(signal: AbortSignal): void {
    if (this.#closed !== undefined) throw MeshError.closed('engine');
    if (signal.aborted) throw MeshError.cancelled();
    if (this.#running >= this.model.slots) throw MeshError.peerBusy(0);
  }

  async #samplingOf(
    request: GenerationRequest,
    answered: Token[],
    /** Tokens of it that are thoughts, of which a grammar knows nothing. */
    thoughtTokens: number,
    mostAnswered: number,
    stop: AnswerStop,
  ): Promise<Sampling> {
    const { responseFormat } = request;
    const { model } = this.#loaded;
    const grammar =
      responseFormat && (await this.#grammars.stateOf(responseFormat, answered.slice(thoughtTokens), stop));
    return samplingOf(request, { model, vocabularySize: this.#texts.size, grammar, answered, mostAnswered });
  }

  /** Evaluates what the sequence lacks of `known`. Probabilities cost time, so the way without them is its own. */
  #tokensAfter(
    known: readonly Token[],
    sequence: LlamaContextSequence,
    sampling: Sampling,
    topCount: number | undefined,
  ): AsyncGenerator<NextToken, void, undefined> {
    const rest = known.slice(sequence.nextTokenIndex);
    if (topCount === undefined) return sequence.evaluateWithMetadata(rest, {}, sampling);
    const { model } = this.#loaded;
    return tellingTokens(sequence, rest, { model, sampling, texts: this.#texts, topCount, before: known });
  }

  /**
   * Leaves everything of the prompt but its end in the sequence, batch by batch so that a stop is heard in between.
   * Returns how many tokens were there already. The last token is always evaluated: its result is the first of the answer.
   */
  async #prefill(lane: Lane, prompt: Token[], stop: AnswerStop): Promise<number> {
    const { sequence } = lane;
    const run = <Result>(work: Promise<Result>) => {
      lane.work = work;
      return stop.race(work);
    };
    const donor = this.#pool.donorFor(lane, prompt);
    if (donor !== undefined) await run(this.#change(copyBeginning(sequence, donor.sequence, donor.common)));
    // Without shifting: tokens moved to another place give other numbers than the same tokens evaluated there.
    await run(this.#change(sequence.adaptStateToTokens(prompt.slice(0, -1), false)));
    const cachedTokens = sequence.nextTokenIndex;
    for (;;) {
      const from = sequence.nextTokenIndex;
      const tokens = this.#running > 1 ? SHARED_BATCH_TOKENS : this.#loaded.context.batchSize;
      if (prompt.length - from <= tokens) return cachedTokens;
      if (this.#changes !== undefined) await run(this.#changes);
      await run(sequence.evaluateWithoutGeneratingNewTokens(prompt.slice(from, from + tokens)));
    }
  }

  /**
   * node-llama-cpp changes a sequence's memory only when no batch is left to compute, which is never while answers ask for
   * one token after the other: they wait with their next until the change is made.
   */
  #change<Result>(work: Promise<Result>): Promise<Result> {
    const changes = Promise.allSettled([this.#changes, work]).then(() => {
      if (this.#changes === changes) this.#changes = undefined;
    });
    this.#changes = changes;
    return work;
  }

  /** An error of llama.cpp leaves the sequence in doubt: it starts empty next time, and the engine is lost if it can't. */
  async #explain(error: unknown, lane: Lane | undefined): Promise<MeshError> {
    if (this.#closed !== undefined) return MeshError.cancelled();
    if (MeshError.is(error)) return error;
    const failure = MeshError.engineFailed(error instanceof Error ? error.message : String(error), error);
    try {
      if (lane !== undefined) await this.#change(lane.sequence.clearHistory());
    } catch {
      for (const listener of [...this.#lostListeners]) listener(failure);
      this.#lostListeners.clear();
    }
    return failure;
  }

  async #dispose(): Promise<void> {
    this.#lostListeners.clear();
    this.#closing.abort();
    this.#loaded.prompts.close();
    await this.#pool.idle();
    await this.#loaded.embedder?.close();
    await this.#loaded.context.dispose();
    await this.#loaded.model.dispose();
    await this.#loaded.dispose();
  }
}
