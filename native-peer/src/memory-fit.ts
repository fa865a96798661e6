/**
 * Whether a model fits, asked before it is loaded: a model that does not fit makes the machine swap or the kernel end the
 * process, and neither can be reported any more.
 */
import { basename } from 'node:path';
import { MeshError } from '@tabmesh/shared';
import type { Llama } from 'node-llama-cpp';
import type { GgufFile } from './gguf-file.ts';

export interface ContextWish {
  /** What the user asked for; absent: the largest that fits, up to the model's own. */
  readonly contextTokens?: number | undefined;
  readonly slots: number;
  readonly batchTokens: number;
}

/** Weights need a little more than their file: buffers of the graph, alignment (contract §11). */
const WEIGHTS_FACTOR = 1.1;
/** Longer ones are for those who ask: the cache of 4 slots at 32k takes 19 GB for an 8B model. */
const DEFAULT_MAX_CONTEXT_TOKENS = 32_768;
const LEAST_CONTEXT_TOKENS = 2048;

/**
 * The context, in tokens, to load the model with.
 * @throws MeshError `out_of_memory`
 */
export async function fitContext(gguf: GgufFile, llama: Llama, wish: ContextWish): Promise<number> {
  const { freeBytes, gpu } = await freeMemory(llama);
  const weightsBytes = gguf.sizeBytes * WEIGHTS_FACTOR;
  const contextBytes = async (contextTokens: number) => {
    const { cpuRam, gpuVram } = await gguf.insights.estimateContextResourceRequirementsV2({
      contextSize: contextTokens,
      sequences: wish.slots,
      batchSize: wish.batchTokens,
      modelGpuLayers: gpu ? gguf.insights.totalLayers : 0,
    });
    return cpuRam + gpuVram;
  };
  let contextTokens = Math.min(wish.contextTokens ?? DEFAULT_MAX_CONTEXT_TOKENS, gguf.contextTokens);
  const least = wish.contextTokens === undefined ? Math.min(LEAST_CONTEXT_TOKENS, contextTokens) : contextTokens;
  for (;;) {
    const weightsFit = weightsBytes <= freeBytes;
    const neededBytes = weightsBytes + (weightsFit ? await contextBytes(contextTokens) : 0);
    if (neededBytes <= freeBytes) return contextTokens;
    if (!weightsFit || contextTokens <= least) throw doesNotFit(gguf, neededBytes, freeBytes, wish, contextTokens);
    contextTokens = Math.max(least, Math.floor(contextTokens / 2));
  }
}

/** The error for a machine that ran out of memory in spite of the estimate. */
export function outOfMemory(name: string, cause: unknown): MeshError {
  return new MeshError(
    'out_of_memory',
    `There is not enough memory for ${name}. Close other programs, ask for a smaller --context or fewer --slots, or choose a smaller model.`,
    { cause },
  );
}

/** Memory that can be had without swapping, containers' limits included; with a GPU its own memory on top. */
async function freeMemory(llama: Llama): Promise<{ freeBytes: number; gpu: boolean }> {
  const { free } = await llama.getRamState();
  const ramBytes = Math.min(free, process.availableMemory());
  const vram = await llama.getVramState();
  return { freeBytes: ramBytes + Math.max(0, vram.free - vram.unifiedSize), gpu: vram.total > 0 };
}

function doesNotFit(
  gguf: GgufFile,
  neededBytes: number,
  freeBytes: number,
  wish: ContextWish,
  contextTokens: number,
): MeshError {
  const name = basename(gguf.paths[0] ?? 'the model');
  return new MeshError(
    'out_of_memory',
    `${name} needs ${gigabytes(neededBytes)} of memory with ${wish.slots} slots of ${contextTokens} tokens, but ` +
      `${gigabytes(freeBytes)} are free. Ask for a smaller --context or fewer --slots, or choose a smaller model.`,
    { details: { neededBytes, freeBytes } },
  );
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
