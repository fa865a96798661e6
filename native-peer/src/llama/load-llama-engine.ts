/**
 * From a file to an `Engine`: check the file, check the memory, hash the weights, then load. In that order, because each
 * step is slower than the one before and spares the next.
 */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { classIdOf, type Engine, type EngineModel, MeshError, type ModelId } from '@tabmesh/shared';
import { InsufficientMemoryError, type Llama, type LlamaModel } from 'node-llama-cpp';
import { BATCH_TOKENS } from '../limits.ts';
import { sha256OfFiles } from '../models/file-hash.ts';
import { checkGgufParts, type GgufFile, readGguf } from '../models/gguf-file.ts';
import { modelIdOfFile } from '../models/model-file-name.ts';
import { commonBatches } from './llama-batches.ts';
import { LlamaEmbedder } from './llama-embedder.ts';
import { openEmbeddingSpace } from './llama-embedding-space.ts';
import { LlamaEngine } from './llama-engine.ts';
import { fitContext, outOfMemory } from './memory-fit.ts';
import { PromptProcess } from './prompts/prompt-process.ts';
import { PromptReader } from './prompts/prompt-reader.ts';
import { PromptWork } from './prompts/prompt-work.ts';
import { type LlamaOptions, startLlama } from './start-llama.ts';

export interface LlamaEngineOptions extends LlamaOptions {
  readonly file: string;
  /** Absent: made from the file's name. */
  readonly modelId?: ModelId | undefined;
  /** Answers that can run at the same time. */
  readonly slots: number;
  /** Absent: the largest that fits, up to the model's own and 32k. */
  readonly contextTokens?: number | undefined;
  /** The sizes of the models that this machine is to hold besides, and that are loaded later. */
  readonly laterSizesBytes?: readonly number[] | undefined;
  /** Where hashes of weights are kept between runs. */
  readonly hashCacheFile?: string | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** `check` hashes the weights (never twice the same file), `load` reads them into memory. */
export interface LoadProgress {
  readonly phase: 'check' | 'load';
  readonly doneBytes: number;
  readonly totalBytes: number;
}

const FEATURES = ['seed', 'continue', 'json', 'logprobs', 'logit-bias', 'penalties'] as const;

/** @throws MeshError `model_invalid`, `out_of_memory`, `unsupported`, `cancelled` */
export async function loadLlamaEngine(options: LlamaEngineOptions): Promise<Engine> {
  const { slots, signal, onProgress } = options;
  const name = basename(options.file);
  const paths = await checkGgufParts(options.file);
  // Whichever part was named, llama.cpp begins with the first.
  const [file = options.file] = paths;
  const llama = await startLlama(options);
  let model: LlamaModel | undefined;
  try {
    const gguf = await readGguf(paths, llama, signal);
    const contextTokens = await fitContext(gguf, llama, {
      contextTokens: options.contextTokens,
      slots,
      batchTokens: BATCH_TOKENS,
      laterSizesBytes: options.laterSizesBytes ?? [],
    });
    const weightsSha256 = await sha256OfFiles(gguf.paths, {
      cacheFile: options.hashCacheFile,
      signal,
      onProgress: (doneBytes, totalBytes) => onProgress?.({ phase: 'check', doneBytes, totalBytes }),
    });
    model = await llama.loadModel({
      modelPath: file,
      gpuLayers: { fitContext: { contextSize: contextTokens * slots } },
      onLoadProgress: (fraction) =>
        onProgress?.({ phase: 'load', doneBytes: fraction * gguf.sizeBytes, totalBytes: gguf.sizeBytes }),
      ...(signal === undefined ? {} : { loadSignal: signal }),
    });
    const context = await model.createContext({
      sequences: slots,
      contextSize: contextTokens,
      batchSize: BATCH_TOKENS,
      // On CPUs flash attention halves the decode rate (measured: 560 against 1,020 tok/s on mesh-tiny).
      flashAttention: model.gpuLayers > 0 ? 'auto' : false,
      failedCreationRemedy: false,
      batching: { itemPrioritizationStrategy: commonBatches() },
      ...(signal === undefined ? {} : { createSignal: signal }),
    });
    const roomTokens = Math.min(context.contextSize, contextTokens);
    const { chatTemplate } = gguf;
    const prompts = new PromptReader(
      new PromptWork(model, chatTemplate, roomTokens),
      new PromptProcess({ file, chatTemplate, contextTokens: roomTokens }),
    );
    const embedder = embedderOf(model, llama, gguf, roomTokens, prompts);
    const description: EngineModel = {
      id: options.modelId ?? modelIdOfFile(file),
      classId: classIdOf({
        weightsSha256,
        quantization: gguf.quantization,
        family: 'llama.cpp',
        templateSha256: createHash('sha256').update(chatTemplate, 'utf8').digest('hex'),
      }),
      family: 'llama.cpp',
      backend: await backendOf(llama, model, gguf),
      contextTokens: roomTokens,
      slots,
      sizeBytes: gguf.sizeBytes,
      features: [...FEATURES, ...(embedder === undefined ? [] : (['embeddings'] as const))],
    };
    return new LlamaEngine({ description, model, context, prompts, embedder, dispose: () => llama.dispose() });
  } catch (error) {
    await model?.dispose();
    await llama.dispose();
    throw explain(error, name, signal);
  }
}

/** Models that read with one half and write with the other have no single space for texts. */
function embedderOf(
  model: LlamaModel,
  llama: Llama,
  gguf: GgufFile,
  contextTokens: number,
  prompts: PromptReader,
): LlamaEmbedder | undefined {
  const { hasEncoder, hasDecoder } = model.fileInsights;
  if (hasEncoder && hasDecoder) return undefined;
  const open = () => openEmbeddingSpace(model, llama, gguf, { contextTokens, batchTokens: BATCH_TOKENS });
  return new LlamaEmbedder(open, prompts);
}

const GPU_NAMES = { cuda: 'CUDA', vulkan: 'Vulkan', metal: 'Metal' } as const;

/** `llama.cpp · CPU AVX2`, `llama.cpp · CUDA, NVIDIA H200`, `llama.cpp · Metal, 20 of 33 layers`. */
async function backendOf(llama: Llama, model: LlamaModel, gguf: GgufFile): Promise<string> {
  if (llama.gpu === false || model.gpuLayers === 0) {
    const extension = ['AVX512', 'AVX2', 'AVX', 'SVE', 'NEON'].find((flag) => llama.systemInfo.includes(`${flag} = 1`));
    return `llama.cpp · CPU${extension === undefined ? '' : ` ${extension}`}`;
  }
  const { totalLayers } = gguf.insights;
  const [device] = await llama.getGpuDeviceNames();
  const layers = model.gpuLayers < totalLayers ? `, ${model.gpuLayers} of ${totalLayers} layers` : '';
  return `llama.cpp · ${GPU_NAMES[llama.gpu]}${device === undefined ? '' : `, ${device}`}${layers}`.slice(0, 120);
}

function explain(error: unknown, name: string, signal: AbortSignal | undefined): MeshError {
  if (MeshError.is(error)) return error;
  if (signal?.aborted) return MeshError.cancelled();
  if (error instanceof InsufficientMemoryError) return outOfMemory(name, error);
  return MeshError.modelInvalid(
    `llama.cpp can't load ${name}: the file is damaged or its model is too new. Download it again or choose another one.`,
    error,
  );
}
