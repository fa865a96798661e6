/**
 * Loads a model into WebLLM, in a worker of its own. What WebLLM would find out late or say unclearly (no adapter, a
 * missing feature, a wrong address, a damaged download) is looked at here first.
 */
import { type Engine, type EngineModel, MeshError, ModelId, modelIdOfMlc } from '@tabmesh/shared';
import { abortable } from '../kit/abortable.ts';
import { type DeviceReport, probeDevice } from '../kit/device-report.ts';
import { downloadError } from '../kit/download-error.ts';
import type { LoadOptions, ModelSource } from '../kit/model-source.ts';
import { ProgressMeter } from '../kit/progress-meter.ts';
import { featuresOf } from './mlc-features.ts';
import { type MlcModel, readMlcModel } from './mlc-model.ts';
import { readMlcPrompts } from './mlc-prompts.ts';
import { createWebllmEngine, type WebllmEngine } from './webllm-adapter.ts';
import { listMlcModels, startWebllm } from './webllm-client.ts';
import { needsShaderF16, webllmLoadError } from './webllm-errors.ts';
import type { MlcToLoad } from './webllm-messages.ts';

export type MlcSource = Extract<ModelSource, { kind: 'mlc-prebuilt' | 'mlc-record' }>;

/** WebLLM answers one request of a model at a time, whatever `options.slots` asks for. */
const SLOTS = 1;

export async function loadWebllmEngine(source: MlcSource, options: LoadOptions): Promise<Engine> {
  const { signal } = options;
  const device = await probeDevice();
  if (!device.webgpu.available) {
    throw new MeshError(
      'unsupported',
      `WebLLM needs WebGPU: ${device.webgpu.reason} Choose a GGUF model, which also runs without it.`,
    );
  }
  const record = await recordOf(source);
  requireFeatures(record.features, device);
  const meter = new ProgressMeter((progress) => options.onProgress(progress));
  meter.update('download', 0, null);
  const described = await readMlcModel(record, signal);
  requireFeatures(described.features, device);
  await checkLibrary(record.libraryUrl, signal);
  try {
    return await startEngine(record, described, device, meter, signal);
  } catch (error) {
    if (MeshError.is(error, 'cancelled')) throw error;
    // Kept by WebLLM, it would fail every later load, a mended server or not.
    if (MeshError.is(error, 'model_invalid')) await forget(record.libraryUrl);
    const damaged = await removeDamagedShards(described);
    if (damaged === 0) throw error;
    throw new MeshError('download_failed', 'A part of the model was damaged on the way. Load it again to renew it.', {
      retryable: true,
      cause: error,
      details: { damagedParts: damaged },
    });
  }
}

interface MlcRecord extends MlcToLoad {
  readonly id: ModelId;
}

async function recordOf(source: MlcSource): Promise<MlcRecord> {
  if (source.kind === 'mlc-record') {
    const { id, modelUrl, modelLibUrl } = source;
    const parsed = ModelId.safeParse(id);
    if (!parsed.success) {
      throw new MeshError('invalid_request', `'${id}' is no name for a model. Use letters, digits and . _ - only.`);
    }
    const libraryUrl = absoluteUrl(modelLibUrl);
    return {
      id: parsed.data,
      mlcId: id,
      modelUrl: absoluteUrl(modelUrl),
      libraryUrl,
      features: [],
      contextTokens: undefined,
    };
  }
  const listed = (await listMlcModels()).find(({ mlcId }) => mlcId === source.mlcId);
  if (listed === undefined) {
    throw new MeshError('invalid_request', `WebLLM has no model '${source.mlcId}'. Choose one of its list.`);
  }
  return { ...listed, id: modelIdOfMlc(source.mlcId), features: featuresOf(source.mlcId, listed.features) };
}

/** WebLLM asks for features only when its list names them, and only after the download. */
function requireFeatures(features: readonly string[], { webgpu }: DeviceReport): void {
  const missing = features.find((feature) => !webgpu.features.includes(feature));
  if (missing === undefined) return;
  if (missing === 'shader-f16') throw needsShaderF16();
  throw new MeshError(
    'unsupported',
    `This model needs WebGPU's ${missing}, which is missing here. Choose another model.`,
  );
}

/** WebLLM would take an error page for the library. What it has in its cache needs no network. */
async function checkLibrary(libraryUrl: string, signal: AbortSignal): Promise<void> {
  if (await caches.match(libraryUrl)) return;
  const response = await fetch(libraryUrl, { method: 'HEAD', signal }).catch((error: unknown) => {
    throw downloadError(libraryUrl, error);
  });
  // Some servers don't know HEAD: only a plain 'not there' counts.
  if (response.status === 404 || response.status === 410) {
    throw downloadError(libraryUrl, new Error(`HTTP ${response.status}`));
  }
}

async function startEngine(
  record: MlcRecord,
  described: MlcModel,
  device: DeviceReport,
  meter: ProgressMeter,
  signal: AbortSignal,
): Promise<WebllmEngine> {
  const webllm = startWebllm();
  const loading = webllm.load(record, (progress, text) =>
    reportProgress(meter, described.weightsBytes, progress, text),
  );
  try {
    await abortable(Promise.race([loading, webllm.lost]), signal);
  } catch (error) {
    webllm.terminate();
    throw webllmLoadError(error, record.libraryUrl);
  }
  const prompts = await readMlcPrompts(described);
  const model: EngineModel = {
    id: record.id,
    classId: described.classId,
    family: 'mlc',
    backend: `WebLLM · WebGPU (${device.webgpu.adapter})`,
    contextTokens: described.contextTokens,
    slots: SLOTS,
    sizeBytes: described.weightsBytes,
    features: ['seed', 'json', 'logit-bias', 'penalties', ...(prompts === undefined ? [] : ['continue' as const])],
  };
  const engine = createWebllmEngine({ model, webllm, prompts, dispose: () => webllm.terminate() });
  webllm.lost.catch((error: MeshError) => engine.lose(error));
  return engine;
}

/** Only the text tells downloading from reading the cache. */
function reportProgress(meter: ProgressMeter, totalBytes: number, progress: number, text: string): void {
  const loadedBytes = Math.round(totalBytes * Math.min(1, progress || 0));
  if (/shader/i.test(text)) meter.update('warm-up', totalBytes, totalBytes);
  else meter.update(/Loading model from cache/i.test(text) ? 'load' : 'download', loadedBytes, totalBytes);
}

async function forget(url: string): Promise<void> {
  for (const name of await caches.keys()) await (await caches.open(name)).delete(url);
}

/** A shard that broke off is kept by WebLLM as if it were whole, and would fail every later load. */
async function removeDamagedShards({ shards }: MlcModel): Promise<number> {
  let removed = 0;
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const { url, sizeBytes } of shards) {
      const blob = await (await cache.match(url))?.blob().catch(() => undefined);
      if (blob === undefined || blob.size === sizeBytes) continue;
      await cache.delete(url);
      removed += 1;
    }
  }
  return removed;
}

function absoluteUrl(address: string): string {
  try {
    return new URL(address, location.href).href;
  } catch (error) {
    throw new MeshError('invalid_request', `'${address}' is no address. Begin it with https://.`, { cause: error });
  }
}
