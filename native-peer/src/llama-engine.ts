/**
 * The `Engine` port on llama.cpp: one model, one context, `slots` sequences that are computed in common batches.
 */
import { randomInt } from 'node:crypto';
import {
  type AnswerBeginning,
  AnswerText,
  type Engine,
  type EngineEvent,
  type EngineModel,
  type GenerationRequest,
  MeshError,
} from '@tabmesh/shared';
import type { LlamaContext, LlamaModel, Token } from 'node-llama-cpp';
import { AnswerStop } from './answer-stop.ts';
import type { ChatPrompt } from './chat-prompt.ts';
import { type Lane, SequencePool } from './sequence-pool.ts';
import { type DecodedTokens, TokenDecoder } from './token-decoder.ts';

/** What `loadLlamaEngine` has loaded; the engine owns it from then on. */
export interface LoadedModel {
  readonly description: EngineModel;
  readonly model: LlamaModel;
  readonly context: LlamaContext;
  readonly prompt: ChatPrompt;
  /** Frees what lies below the model. */
  dispose(): Promise<void>;
}

/** llama.cpp's own defaults, so that a tab and a native peer draw from the same distribution. */
const TOP_K = 40;
const MIN_P = 0.05;

export class LlamaEngine implements Engine {
  readonly model: EngineModel;
  readonly #loaded: LoadedModel;
  readonly #pool: SequencePool;
  readonly #closing = new AbortController();
  readonly #lostListeners = new Set<(error: Error) => void>();
  #running = 0;
  #closed: Promise<void> | undefined;

  constructor(loaded: LoadedModel) {
    this.model = loaded.description;
    this.#loaded = loaded;
    this.#pool = new SequencePool(Array.from({ length: loaded.description.slots }, () => loaded.context.getSequence()));
  }

  async *generate(request: GenerationRequest, signal: AbortSignal): AsyncIterable<EngineEvent> {
    if (this.#closed !== undefined) throw MeshError.closed('engine');
    if (signal.aborted) throw MeshError.cancelled();
    if (this.#running >= this.model.slots) throw MeshError.peerBusy(0);
    const prompt = this.#loaded.prompt(request.messages);
    const known = [...prompt, ...this.#tokensOf(request.continues)];
    const { contextTokens } = this.model;
    if (known.length >= contextTokens) throw MeshError.contextLengthExceeded(known.length, contextTokens);
    const limit = Math.min(request.maxTokens, contextTokens - known.length);

    this.#running += 1;
    const stop = new AnswerStop(signal, this.#closing.signal);
    let lane: Lane | undefined;
    let cachedTokens = 0;
    let completionTokens = 0;
    let reason: 'stop' | 'length' = 'stop';
    try {
      lane = await stop.race(this.#pool.take(known));
      cachedTokens = await this.#prefill(lane, known, stop);
      const decoder = new TokenDecoder(this.#loaded.model.detokenize, known);
      const ready: EngineEvent[] = [];
      const text = new AnswerText(request.stop, (event) => ready.push(event));
      const take = (decoded: DecodedTokens | undefined) => decoded && text.push(decoded.text, decoded.tokenCount);
      const tokens = lane.sequence.evaluateWithMetadata(
        known.slice(lane.sequence.nextTokenIndex),
        {},
        { temperature: request.temperature, topP: request.topP, topK: TOP_K, minP: MIN_P, seed: seedOf(request) },
      );
      // The next token is under way while the one before is handed out: llama.cpp never waits for what its consumer does.
      const advance = (lane: Lane) => {
        const step = tokens.next();
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
      text.end(completionTokens);
      yield* ready;
    } catch (error) {
      throw await this.#explain(error, lane);
    } finally {
      stop.close();
      this.#running -= 1;
      if (lane !== undefined) this.#pool.release(lane);
    }
    const promptTokens = prompt.length;
    yield {
      type: 'end',
      reason,
      usage: { promptTokens, completionTokens, cachedTokens: Math.min(cachedTokens, promptTokens) },
    };
  }

  onLost(listener: (error: Error) => void): () => void {
    this.#lostListeners.add(listener);
    return () => this.#lostListeners.delete(listener);
  }

  close(): Promise<void> {
    this.#closed ??= this.#dispose();
    return this.#closed;
  }

  /** What a model wrote is plain text, whatever it looks like, and no space goes in front of it. */
  #tokensOf(beginning: AnswerBeginning | undefined): Token[] {
    return beginning === undefined ? [] : this.#loaded.model.tokenize(beginning.text, false, 'trimLeadingSpace');
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
    // Without shifting: tokens moved to another place give other numbers than the same tokens evaluated there.
    await run(sequence.adaptStateToTokens(prompt.slice(0, -1), false));
    const cachedTokens = sequence.nextTokenIndex;
    const { batchSize } = this.#loaded.context;
    while (prompt.length - sequence.nextTokenIndex > batchSize) {
      const from = sequence.nextTokenIndex;
      await run(sequence.evaluateWithoutGeneratingNewTokens(prompt.slice(from, from + batchSize)));
    }
    return cachedTokens;
  }

  /** An error of llama.cpp leaves the sequence in doubt: it starts empty next time, and the engine is lost if it can't. */
  async #explain(error: unknown, lane: Lane | undefined): Promise<MeshError> {
    if (this.#closed !== undefined) return MeshError.cancelled();
    if (MeshError.is(error)) return error;
    const failure = MeshError.engineFailed(error instanceof Error ? error.message : String(error), error);
    try {
      await lane?.sequence.clearHistory();
    } catch {
      for (const listener of [...this.#lostListeners]) listener(failure);
      this.#lostListeners.clear();
    }
    return failure;
  }

  async #dispose(): Promise<void> {
    this.#lostListeners.clear();
    this.#closing.abort();
    await this.#pool.idle();
    await this.#loaded.context.dispose();
    await this.#loaded.model.dispose();
    await this.#loaded.dispose();
  }
}

/** llama.cpp takes 32 bits and reads all ones as 'draw one'. */
const SEED_COUNT = 0xffff_ffff;

function seedOf({ seed }: GenerationRequest): number {
  if (seed === undefined) return randomInt(SEED_COUNT);
  return ((seed % SEED_COUNT) + SEED_COUNT) % SEED_COUNT;
}
