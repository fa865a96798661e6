/**
 * Reads what an MLC model says of itself, before WebLLM loads it: its class and size are found here, and a wrong address
 * gets a sentence with the address, which WebLLM's own error does not name.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { type ClassId, classIdOf, MeshError } from '@tabmesh/shared';
import { downloadError } from '../kit/download-error.ts';
import { featuresOf } from './mlc-features.ts';

export interface MlcModel {
  readonly folderUrl: string;
  /** Its `mlc-chat-config.json`. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly classId: ClassId;
  readonly contextTokens: number;
  readonly weightsBytes: number;
  /** WebGPU features that it needs. */
  readonly features: readonly string[];
  readonly shards: readonly { readonly url: string; readonly sizeBytes: number }[];
}

export interface MlcModelAddress {
  /** Absolute. As in WebLLM's model list: a repository, or a folder that has `resolve/<branch>/` in its address. */
  readonly modelUrl: string;
  readonly mlcId: string;
  /** Overrides the model's own. */
  readonly contextTokens: number | undefined;
}

/** Rejects with `download_failed`, `model_invalid` or `cancelled`. */
export async function readMlcModel(address: MlcModelAddress, signal: AbortSignal): Promise<MlcModel> {
  const folder = mlcFolderOf(address.modelUrl);
  const config = await fetchJson(new URL('mlc-chat-config.json', folder).href, signal);
  const weights = await fetchWeightsList(folder, signal);
  const { context_window_size, sliding_window_size, conv_template, quantization } = config.value;
  const contextTokens = [address.contextTokens, context_window_size, sliding_window_size].find(isPositive);
  if (contextTokens === undefined || typeof conv_template !== 'object') {
    throw MeshError.modelInvalid(`${config.url} is no MLC chat model's configuration. Check the model's address.`);
  }
  const shards = shardsOf(weights.value, folder, weights.url);
  const quantizationName = typeof quantization === 'string' ? quantization : quantizationIn(address.mlcId);
  return {
    folderUrl: folder,
    config: config.value,
    classId: classIdOf({
      // The list holds the MD5 of each shard.
      weightsSha256: bytesToHex(sha256(weights.bytes)),
      quantization: quantizationName,
      family: 'mlc',
      templateSha256: bytesToHex(sha256(utf8ToBytes(JSON.stringify(conv_template)))),
    }),
    contextTokens,
    weightsBytes: shards.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    features: featuresOf(quantizationName),
    shards,
  };
}

/** Where WebLLM looks for the files of a model. */
export function mlcFolderOf(modelUrl: string): string {
  const folder = modelUrl.endsWith('/') ? modelUrl : `${modelUrl}/`;
  return new URL(/\/resolve\/.+\//.test(folder) ? folder : `${folder}resolve/main/`).href;
}

interface FetchedJson {
  readonly url: string;
  readonly bytes: Uint8Array;
  readonly value: Record<string, unknown>;
}

/** Older models only have the list under its older name; they hold the same. */
async function fetchWeightsList(folder: string, signal: AbortSignal): Promise<FetchedJson> {
  try {
    return await fetchJson(new URL('tensor-cache.json', folder).href, signal);
  } catch (error) {
    if (!MeshError.is(error, 'download_failed') || error.retryable) throw error;
    return fetchJson(new URL('ndarray-cache.json', folder).href, signal);
  }
}

const CACHE_NAME = 'tabmesh-mlc';

/** The network's word rules; without a network, a model that was loaded once can be loaded again. */
async function fetchJson(url: string, signal: AbortSignal): Promise<FetchedJson> {
  const cache = await caches.open(CACHE_NAME);
  let response: Response | undefined;
  try {
    response = await fetch(url, { signal });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    await cache.put(url, response.clone());
  } catch (error) {
    response = response === undefined && !signal.aborted ? await cache.match(url) : undefined;
    if (response === undefined) throw downloadError(url, error);
  }
  const bytes = new Uint8Array(await response.arrayBuffer());
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (isRecord(value)) return { url, bytes, value };
  } catch {
    // Told below.
  }
  throw MeshError.modelInvalid(`The file at ${url} is no JSON object. Check the model's address.`);
}

function shardsOf(list: Record<string, unknown>, folder: string, url: string): MlcModel['shards'] {
  const records: unknown[] = Array.isArray(list.records) ? list.records : [];
  const shards = records.flatMap((record) => {
    if (!isRecord(record)) return [];
    const { dataPath, nbytes } = record;
    if (typeof dataPath !== 'string' || typeof nbytes !== 'number') return [];
    return [{ url: new URL(dataPath, folder).href, sizeBytes: nbytes }];
  });
  if (shards.length > 0 && shards.length === records.length) return shards;
  throw MeshError.modelInvalid(`${url} lists no weights. Check the model's address.`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isPositive(value: unknown): value is number {
  return typeof value === 'number' && value > 0;
}

function quantizationIn(mlcId: string): string {
  return /q\d+f\d+(?:_\d+)?/.exec(mlcId)?.[0] ?? '';
}
