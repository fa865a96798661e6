/// <reference types="vite/client" />
/**
 * Loads a GGUF into wllama: llama.cpp in WebAssembly, on the GPU where there is a real one. The file is checked and
 * hashed before the engine sees it, because wllama resolves happily on a damaged one.
 */

import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import {
  catalogModel,
  classIdOf,
  type Engine,
  type EngineModel,
  type GenerationRequest,
  MeshError,
  ModelId,
} from '@tabmesh/shared';
import { type ChatTemplate, createChatTemplate } from '@tabmesh/shared/chat-template';
import { Wllama } from '@wllama/wllama/esm/index.js';
import wasmUrl from '@wllama/wllama/esm/wasm/wllama.wasm?url';
import {
  BATCH_TOKENS,
  LOAD_TIMEOUT_MS,
  MAX_CONTEXT_TOKENS,
  MAX_EMBEDDING_ROOM_BYTES,
  MAX_GGUF_BYTES,
  SLOWEST_LOAD_BYTES_PER_MS,
} from '../../limits.ts';
import { abortable } from '../kit/abortable.ts';
import { type DeviceReport, hasGpuForGguf, probeDevice, threadsFor } from '../kit/device-report.ts';
import { downloadError } from '../kit/download-error.ts';
import type { LoadOptions, ModelSource } from '../kit/model-source.ts';
import { ProgressMeter } from '../kit/progress-meter.ts';
import { type GgufMetadata, readGgufMetadata } from './gguf-metadata.ts';
import { cacheForWllama, openGgufStore } from './gguf-store.ts';
import { sha256OfFile } from './sha256-file.ts';
import { createWllamaEngine, type WllamaEngine } from './wllama-adapter.ts';
import { NativeErrors } from './wllama-log.ts';

export type GgufSource = Extract<ModelSource, { kind: 'gguf-url' | 'gguf-file' }>;

const FLOAT_BYTES = 4;

export async function loadWllamaEngine(source: GgufSource, options: LoadOptions): Promise<Engine> {
  if (!hasMemory64()) {
    throw new MeshError(
      'unsupported',
      "This browser's WebAssembly has no 64-bit memory. Use a current Chrome, Edge or Firefox.",
    );
  }
  const meter = new ProgressMeter((progress) => options.onProgress(progress));
  const file = await openModelFile(source, meter, options.signal);
  meter.update('load', 0, file.blob.size);
  const engine = await startEngine(file, options);
  try {
    meter.update('warm-up', file.blob.size, file.blob.size);
    for await (const _ of engine.generate(WARM_UP, options.signal));
    return engine;
  } catch (error) {
    await engine.close();
    throw error;
  }
}

const WARM_UP: GenerationRequest = {
  messages: [{ role: 'user', content: 'Hello' }],
  maxTokens: 1,
  temperature: 0,
  topP: 1,
  stop: [],
};

interface ModelFile {
  readonly id: ModelId;
  readonly blob: Blob;
  readonly metadata: GgufMetadata;
  readonly sha256: string;
}

async function openModelFile(source: GgufSource, meter: ProgressMeter, signal: AbortSignal): Promise<ModelFile> {
  if (source.kind === 'gguf-file') return checkFile(idOfFile(source.file), source.file, meter, signal);
  const store = openGgufStore();
  const expectedSha256 = catalogModel(source.id)?.gguf?.sha256;
  for (let attempt = 1; ; attempt += 1) {
    const tooLarge = new AbortController();
    const fetching = store.fetch(
      source.url,
      (loadedBytes, totalBytes) => {
        meter.update('download', loadedBytes, totalBytes ?? source.sizeBytes ?? null);
        if (Math.max(loadedBytes, totalBytes ?? 0) > MAX_GGUF_BYTES) tooLarge.abort();
      },
      AbortSignal.any([signal, tooLarge.signal]),
    );
    const blob = await fetching.catch((error: unknown) => {
      throw tooLarge.signal.aborted && !signal.aborted ? tooLargeError() : error;
    });
    try {
      const file = await checkFile(parseId(source.id), blob, meter, signal);
      if (expectedSha256 === undefined || file.sha256 === expectedSha256) return file;
      throw new MeshError(
        'checksum_mismatch',
        `The file at ${source.url} is not the ${source.id} that the catalogue names: its checksum differs. Ask whoever runs that server to renew it.`,
        { details: { url: source.url } },
      );
    } catch (error) {
      if (MeshError.is(error, 'cancelled')) throw error;
      // It may be an old or damaged copy from the cache; what comes from the server a second time is the server's.
      await store.forget(source.url);
      if (attempt === 2) throw error;
    }
  }
}

async function checkFile(id: ModelId, blob: Blob, meter: ProgressMeter, signal: AbortSignal): Promise<ModelFile> {
  if (blob.size > MAX_GGUF_BYTES) throw tooLargeError();
  meter.update('check', 0, blob.size);
  const metadata = await readGgufMetadata(blob);
  const sha256 = await sha256OfFile(blob, (bytes) => meter.update('check', bytes, blob.size), signal);
  return { id, blob, metadata, sha256 };
}

async function startEngine(file: ModelFile, options: LoadOptions): Promise<WllamaEngine> {
  const { slots, signal } = options;
  const device = await probeDevice();
  const onGpu = hasGpuForGguf(device);
  const threads = options.threads ?? threadsFor(device);
  const contextTokens = Math.min(file.metadata.contextTokens ?? MAX_CONTEXT_TOKENS, MAX_CONTEXT_TOKENS);
  const embeds = file.metadata.vocabularySize * BATCH_TOKENS * FLOAT_BYTES <= MAX_EMBEDDING_ROOM_BYTES;
  const nativeErrors = new NativeErrors();
  const wasm = await openWasm(signal);
  const wllama = new Wllama({ default: wasm.url }, { logger: nativeErrors.logger, cacheManager: cacheForWllama() });
  // Its fallback for browsers without 64-bit memory would be fetched from a CDN.
  wllama.setCompat(null);
  const exit = () => void wllama.exit();
  try {
    const loading = wllama.loadModel([file.blob], {
      // Separate caches for the slots: with one shared cache an answer depends on what its neighbours say.
      n_ctx: contextTokens * slots,
      n_parallel: slots,
      kv_unified: false,
      n_batch: BATCH_TOKENS,
      n_threads: threads,
      n_gpu_layers: onGpu ? 99_999 : 0,
      ctx_shift: false,
      // Of a text's last token, as native peers take it. Answers are not changed by it.
      ...(embeds ? { embeddings: true, pooling_type: 'last' as const } : {}),
      // The text as the model writes it: cut apart by a parser it would not continue on another peer.
      reasoning_format: 'none',
      skip_chat_parsing: true,
    });
    await abortable(withinLoadTime(Promise.race([loading, nativeErrors.workerBroken]), file.blob.size), signal);
    // Missing from wllama's type; without it a damaged file looks loaded.
    const { success, n_vocab }: { success?: boolean; n_vocab: number } = wllama.getLoadedContextInfo();
    if (!success || n_vocab === 0) throw nativeErrors.loadError();
  } catch (error) {
    exit();
    throw MeshError.is(error) ? error : MeshError.engineFailed(errorText(error), error);
  } finally {
    wasm.release();
  }
  const loaded = wllama.getLoadedContextInfo();
  const template = templateOf(file.metadata, loaded.add_bos_token);
  const model: EngineModel = {
    id: file.id,
    classId: classIdOf({
      weightsSha256: file.sha256,
      quantization: file.metadata.fileType,
      family: 'llama.cpp',
      templateSha256: bytesToHex(sha256(file.metadata.chatTemplate)),
    }),
    family: 'llama.cpp',
    backend: backendName(onGpu, device, wllama.getNumThreads()),
    contextTokens,
    slots,
    sizeBytes: file.blob.size,
    features: [
      'seed',
      'json',
      'logit-bias',
      ...(template === undefined ? [] : (['continue', 'logprobs'] as const)),
      ...(embeds ? ['embeddings' as const] : []),
    ],
  };
  const engine = createWllamaEngine({
    model,
    wllama,
    template,
    vocabulary: {
      size: loaded.n_vocab,
      addsSpace: addsSpace(loaded.metadata),
      floor: file.metadata.floor,
      control: file.metadata.control,
    },
    lastNativeError: () => nativeErrors.last,
  });
  nativeErrors.workerBroken.catch((error: MeshError) => engine.lose(error));
  return engine;
}

/** llama.cpp's default for vocabularies of SentencePiece. */
function addsSpace(metadata: Readonly<Record<string, string>>): boolean {
  return metadata['tokenizer.ggml.model'] === 'llama' && metadata['tokenizer.ggml.add_space_prefix'] !== 'false';
}

/** Undefined for one that only llama.cpp itself can read; where the model wants it, llama.cpp puts the beginning in front. */
function templateOf({ chatTemplate, bosText, eosText }: GgufMetadata, addsBos: boolean): ChatTemplate | undefined {
  try {
    const source = new TextDecoder().decode(chatTemplate);
    return createChatTemplate(source, { bosText: addsBos ? '' : bosText, eosText });
  } catch {
    return undefined;
  }
}

/** Fetched here because wllama waits for ever on one that does not come; handed over as a blob it comes once. */
async function openWasm(signal: AbortSignal): Promise<{ url: string; release(): void }> {
  try {
    const response = await fetch(wasmUrl, { signal });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const url = URL.createObjectURL(new Blob([await response.arrayBuffer()], { type: 'application/wasm' }));
    return { url, release: () => URL.revokeObjectURL(url) };
  } catch (error) {
    throw downloadError(new URL(wasmUrl, location.href).href, error);
  }
}

function withinLoadTime<Value>(loading: Promise<Value>, sizeBytes: number): Promise<Value> {
  const timeoutMs = LOAD_TIMEOUT_MS + sizeBytes / SLOWEST_LOAD_BYTES_PER_MS;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(MeshError.engineFailed(`it did not start within ${Math.round(timeoutMs / 1000)} s`)),
      timeoutMs,
    );
    loading.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function backendName(onGpu: boolean, device: DeviceReport, threads: number): string {
  if (onGpu) return `wllama · WebGPU (${device.webgpu.adapter})`;
  return `wllama · WebAssembly, ${threads} thread${threads === 1 ? '' : 's'}`;
}

function tooLargeError(): MeshError {
  return new MeshError(
    'out_of_memory',
    'A browser can hold GGUF files of up to 2 GB only. Choose a smaller model or quantisation, or serve this one natively.',
  );
}

function hasMemory64(): boolean {
  // The smallest module with a 64-bit memory: magic, version, and a memory section with the flag for it.
  return WebAssembly.validate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 5, 3, 1, 4, 1]));
}

function parseId(id: string): ModelId {
  const parsed = ModelId.safeParse(id);
  if (parsed.success) return parsed.data;
  throw new MeshError('invalid_request', `'${id}' is no name for a model. Use letters, digits and . _ - only.`);
}

function idOfFile(file: File): ModelId {
  const name = file.name.replace(/\.gguf$/i, '').replaceAll(/[^A-Za-z0-9._-]+/g, '-');
  return parseId(name.replace(/^[^A-Za-z0-9]+/, '').slice(0, 128) || 'own-model');
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
