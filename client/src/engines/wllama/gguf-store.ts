/**
 * GGUF files by URL, kept in wllama's OPFS cache: a second load asks the network nothing. A page that is not on https://
 * or localhost has no OPFS; there the file is only held in memory.
 */
import { CacheManager } from '@wllama/wllama/esm/index.js';
import { abortable } from '../kit/abortable.ts';
import { downloadError } from '../kit/download-error.ts';

export interface GgufStore {
  /**
   * Rejects with `download_failed`, or `cancelled`; then nothing of the file is kept.
   * `totalBytes` is null while the server has not told the length.
   */
  fetch(
    url: string,
    onProgress: (loadedBytes: number, totalBytes: number | null) => void,
    signal: AbortSignal,
  ): Promise<Blob>;
  forget(url: string): Promise<void>;
}

export function openGgufStore(): GgufStore {
  return hasOpfs() ? new OpfsStore() : memoryStore;
}

/** Wllama's constructor insists on a cache, even though it is only handed whole files here. */
export function cacheForWllama(): CacheManager {
  return hasOpfs() ? new CacheManager() : new CacheManager([noStorage]);
}

function hasOpfs(): boolean {
  return globalThis.isSecureContext && typeof navigator.storage?.getDirectory === 'function';
}

class OpfsStore implements GgufStore {
  readonly #cache = new CacheManager();

  async fetch(
    url: string,
    onProgress: (loadedBytes: number, totalBytes: number | null) => void,
    signal: AbortSignal,
  ): Promise<Blob> {
    const downloading = this.#cache.download(url, {
      signal,
      progressCallback: ({ loaded, total }) => onProgress(loaded, total > 0 ? total : null),
    });
    try {
      await abortable(downloading, signal);
    } catch (error) {
      // Only once the writer has let go of the file can it be removed; a person who cancelled does not wait for that.
      const cleaned = downloading.catch(() => {}).then(() => this.forget(url));
      if (!signal.aborted) await cleaned;
      throw downloadError(url, error);
    }
    const file = await this.#cache.open(url);
    if (file === null) throw downloadError(url, new Error('the browser did not keep it'));
    return file;
  }

  async forget(url: string): Promise<void> {
    await this.#cache.delete(url).catch(() => {});
  }
}

const memoryStore: GgufStore = {
  async fetch(url, onProgress, signal) {
    try {
      const response = await fetch(url, { signal });
      if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`);
      const totalBytes = Number(response.headers.get('content-length')) || null;
      let loadedBytes = 0;
      const counted = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform(chunk, controller) {
          loadedBytes += chunk.length;
          onProgress(loadedBytes, totalBytes);
          controller.enqueue(chunk);
        },
      });
      return await new Response(response.body.pipeThrough(counted)).blob();
    } catch (error) {
      throw downloadError(url, error);
    }
  },
  forget: () => Promise.resolve(),
};

const noStorage = {
  isSupported: () => true,
  read: () => Promise.resolve(null),
  write: () => Promise.reject(new Error('This page has no storage.')),
  getSize: () => Promise.resolve(-1),
  list: () => Promise.resolve([]),
  delete: () => Promise.resolve(),
};
