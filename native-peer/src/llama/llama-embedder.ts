/**
 * The embeddings of one model: a context of its own, made when the first text comes, because most peers are never asked for
 * any. What a vector is made of (mean, first or last token) the model's file says.
 */
import { type Embeddings, MeshError } from '@tabmesh/shared';
import type { LlamaEmbeddingContext } from 'node-llama-cpp';
import type { AnswerStop } from './answer-stop.ts';
import type { PromptReader } from './prompts/prompt-reader.ts';

export interface EmbeddingSpace {
  readonly context: LlamaEmbeddingContext;
  readonly contextTokens: number;
}

export class LlamaEmbedder {
  readonly #open: () => Promise<EmbeddingSpace>;
  readonly #prompts: PromptReader;
  #space: Promise<EmbeddingSpace> | undefined;
  /** The native work that was started last. */
  #work: Promise<unknown> = Promise.resolve();

  /** @param open rejects with `out_of_memory`; then the next request tries again. */
  constructor(open: () => Promise<EmbeddingSpace>, prompts: PromptReader) {
    this.#open = open;
    this.#prompts = prompts;
  }

  /** @throws MeshError `context_length_exceeded`, `invalid_request`, `out_of_memory`, `cancelled`, `engine_failed` */
  async embed(inputs: readonly string[], stop: AnswerStop): Promise<Embeddings> {
    const { context, contextTokens } = await stop.race(this.#opened());
    let promptTokens = 0;
    const texts = await this.#prompts.plain(inputs, contextTokens, stop);
    for (const text of texts) {
      // With what the model wants at the beginning and at the end.
      const tokens = context.calculateInputLength(text);
      if (tokens >= contextTokens) throw MeshError.contextLengthExceeded(tokens, contextTokens);
      promptTokens += tokens;
    }
    const vectors: Float32Array[] = [];
    for (const text of texts) {
      const work = context.getEmbeddingFor(text);
      this.#work = Promise.allSettled([this.#work, work]);
      vectors.push(unitVector((await stop.race(work)).vector));
    }
    return { vectors, promptTokens };
  }

  /** Idempotent; waits for what still runs. */
  async close(): Promise<void> {
    const space = await this.#space?.catch(() => undefined);
    await this.#work;
    await space?.context.dispose();
  }

  #opened(): Promise<EmbeddingSpace> {
    if (this.#space === undefined) {
      this.#space = this.#open();
      this.#space.catch(() => {
        this.#space = undefined;
      });
    }
    return this.#space;
  }
}

function unitVector(vector: readonly number[]): Float32Array {
  const length = Math.hypot(...vector);
  if (vector.length === 0) {
    throw new MeshError('invalid_request', 'A text to embed has no tokens. Leave empty texts out.');
  }
  if (!(length > 0) || !Number.isFinite(length))
    throw MeshError.engineFailed('it made an embedding without a direction');
  return Float32Array.from(vector, (value) => value / length);
}
