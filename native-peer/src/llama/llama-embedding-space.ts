/** The memory in which embeddings are made: checked before it is taken, because a process that runs out of it just ends. */
import { basename } from 'node:path';
import { MeshError } from '@tabmesh/shared';
import { InsufficientMemoryError, type Llama, type LlamaModel } from 'node-llama-cpp';
import { MOST_EMBEDDED_TOKENS } from '../limits.ts';
import { formatBytes } from '../models/format-bytes.ts';
import type { GgufFile } from '../models/gguf-file.ts';
import type { EmbeddingSpace } from './llama-embedder.ts';
import { freeMemory } from './memory-fit.ts';

export interface EmbeddingSize {
  /** What an answer of this model has; longer texts to embed are refused. */
  readonly contextTokens: number;
  readonly batchTokens: number;
}

/** @throws MeshError `out_of_memory` */
export async function openEmbeddingSpace(
  model: LlamaModel,
  llama: Llama,
  gguf: GgufFile,
  size: EmbeddingSize,
): Promise<EmbeddingSpace> {
  const contextTokens = Math.min(size.contextTokens, MOST_EMBEDDED_TOKENS);
  // Whoever looks at the whole text, or takes the mean of it, needs it in one batch.
  const { attention, pooling_type: pooling } = model.fileInfo.architectureMetadata;
  const whole = attention?.causal === false || pooling === POOLING_MEAN || pooling === POOLING_FIRST;
  const batchSize = whole ? contextTokens : Math.min(contextTokens, size.batchTokens);
  const { cpuRam, gpuVram } = await gguf.insights.estimateContextResourceRequirementsV2({
    contextSize: contextTokens,
    sequences: 1,
    batchSize,
    isEmbeddingContext: true,
    modelGpuLayers: model.gpuLayers,
  });
  const { freeBytes } = await freeMemory(llama);
  const neededBytes = cpuRam + gpuVram;
  if (neededBytes > freeBytes) throw noRoom(gguf, neededBytes, freeBytes);
  try {
    return { context: await model.createEmbeddingContext({ contextSize: contextTokens, batchSize }), contextTokens };
  } catch (error) {
    if (error instanceof InsufficientMemoryError) throw noRoom(gguf, neededBytes, freeBytes, error);
    throw error;
  }
}

/** llama.cpp's numbers in GGUF files. */
const POOLING_MEAN = 1;
const POOLING_FIRST = 2;

function noRoom(gguf: GgufFile, neededBytes: number, freeBytes: number, cause?: unknown): MeshError {
  return new MeshError(
    'out_of_memory',
    `Embeddings of ${basename(gguf.paths[0] ?? 'the model')} need ${formatBytes(neededBytes)} of memory, but ` +
      `${formatBytes(freeBytes)} are free. Ask another peer, or start this one with a smaller --context.`,
    { retryable: true, details: { neededBytes, freeBytes }, cause },
  );
}
