/**
 * Whether a model fits, asked before it is loaded: a model that does not fit makes the machine swap or the kernel end the
 * process, and neither can be reported any more.
 */
import { basename } from 'node:path';
import { MeshError, memoryNeededBytes } from '@tabmesh/shared';
import type { Llama } from 'node-llama-cpp';
import { DEFAULT_MOST_CONTEXT_TOKENS, LEAST_CONTEXT_TOKENS } from '../limits.ts';
import { formatBytes } from '../models/format-bytes.ts';
import type { GgufFile } from '../models/gguf-file.ts';
import { type LlamaOptions, startLlama } from './start-llama.ts';

export interface ContextWish {
  /** What the user asked for; absent: the largest that fits, up to the model's own. */
  readonly contextTokens?: number | undefined;
  readonly slots: number;
  readonly batchTokens: number;
  /** The sizes of the models that are loaded after this one, and need room too. */
  readonly laterSizesBytes: readonly number[];
}

/**
 * The context, in tokens, to load the model with.
 * @throws MeshError `out_of_memory`
 */
export async function fitContext(gguf: GgufFile, llama: Llama, wish: ContextWish): Promise<number> {
  const memory = await freeMemory(llama);
  const { gpu } = memory;
  const weightsBytes = memoryNeededBytes(gguf.sizeBytes);
  const freeBytes = roomOf(memory.freeBytes, weightsBytes, wish);
  const contextBytes = async (contextTokens: number) => {
    const { cpuRam, gpuVram } = await gguf.insights.estimateContextResourceRequirementsV2({
      contextSize: contextTokens,
      sequences: wish.slots,
      batchSize: wish.batchTokens,
      modelGpuLayers: gpu ? gguf.insights.totalLayers : 0,
    });
    return cpuRam + gpuVram;
  };
  let contextTokens = Math.min(wish.contextTokens ?? DEFAULT_MOST_CONTEXT_TOKENS, gguf.contextTokens);
  const least = wish.contextTokens === undefined ? Math.min(LEAST_CONTEXT_TOKENS, contextTokens) : contextTokens;
  for (;;) {
    const weightsFit = weightsBytes <= freeBytes;
    const neededBytes = weightsBytes + (weightsFit ? await contextBytes(contextTokens) : 0);
    if (neededBytes <= freeBytes) return contextTokens;
    if (!weightsFit || contextTokens <= least) throw doesNotFit(gguf, neededBytes, freeBytes, wish, contextTokens);
    contextTokens = Math.max(least, Math.floor(contextTokens / 2));
  }
}

/** What models can have of this machine's memory right now. */
export async function freeMemoryBytes(options: LlamaOptions): Promise<number> {
  const llama = await startLlama(options);
  try {
    return (await freeMemory(llama)).freeBytes;
  } finally {
    await llama.dispose();
  }
}

/** The same, with the GPUs that llama.cpp finds: without memory of its own one is a renderer that the CPU plays. */
export async function machineMemory(options: LlamaOptions) {
  const llama = await startLlama(options);
  try {
    const { free } = await llama.getVramState();
    const { freeBytes, gpu } = await freeMemory(llama);
    return { freeBytes, gpuBytes: gpu ? free : 0, gpuNames: gpu ? await llama.getGpuDeviceNames() : [] };
  } finally {
    await llama.dispose();
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
export async function freeMemory(llama: Llama): Promise<{ freeBytes: number; gpu: boolean }> {
  const { free } = await llama.getRamState();
  const ramBytes = Math.min(free, process.availableMemory());
  const vram = await llama.getVramState();
  return { freeBytes: ramBytes + Math.max(0, vram.free - vram.unifiedSize), gpu: vram.total > 0 };
}

/** Without the weights that are still to come, and with an equal share of what is then left for contexts. */
function roomOf(freeBytes: number, weightsBytes: number, { contextTokens, laterSizesBytes }: ContextWish): number {
  const laterBytes = laterSizesBytes.reduce((sum, sizeBytes) => sum + memoryNeededBytes(sizeBytes), 0);
  const forContextsBytes = freeBytes - weightsBytes - laterBytes;
  // Who names a context gets it whole or not at all.
  const shares = contextTokens === undefined ? laterSizesBytes.length + 1 : 1;
  return Math.max(0, weightsBytes + forContextsBytes / shares);
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
    `${name} needs ${formatBytes(neededBytes)} of memory with ${wish.slots} slots of ${contextTokens} tokens, but ` +
      `${formatBytes(freeBytes)} are free. Ask for a smaller --context or fewer --slots, or choose a smaller model.`,
    { details: { neededBytes, freeBytes } },
  );
}
