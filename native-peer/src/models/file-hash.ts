/**
 * SHA-256 of weights files. Hashing a 5 GB file takes seconds, so the result is kept with the file's size and time of
 * change; a file that was touched is hashed again.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { MeshError } from '@tabmesh/shared';
import { keepEntry, readEntries } from '../home/kept-entries.ts';

export interface HashOptions {
  /** Where results are kept; absent: nowhere. */
  readonly cacheFile?: string | undefined;
  /** Called as bytes are read, never for a kept result. */
  readonly onProgress?: ((readBytes: number, totalBytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Hex digest of the files' bytes, one after the other (a GGUF may come in several parts).
 * @throws MeshError `cancelled`, or the file system's own error.
 */
export async function sha256OfFiles(paths: readonly string[], options: HashOptions = {}): Promise<string> {
  const { cacheFile } = options;
  const { key, totalBytes } = await fingerprint(paths);
  if (cacheFile !== undefined) {
    const kept = new Map(await readEntries(cacheFile)).get(key);
    if (isDigest(kept)) return kept;
  }
  const digest = await digestOf(paths, totalBytes, options);
  if (cacheFile !== undefined) await keepEntry(cacheFile, key, digest);
  return digest;
}

/** Keeps a digest that was computed while the file had another name. */
export async function rememberSha256(path: string, digest: string, cacheFile: string): Promise<void> {
  const { key } = await fingerprint([path]);
  await keepEntry(cacheFile, key, digest);
}

async function fingerprint(paths: readonly string[]): Promise<{ key: string; totalBytes: number }> {
  const parts: string[] = [];
  let totalBytes = 0;
  for (const path of paths) {
    const { size, mtimeMs } = await stat(path);
    parts.push(`${resolve(path)}|${size}|${mtimeMs}`);
    totalBytes += size;
  }
  return { key: parts.join('\n'), totalBytes };
}

async function digestOf(paths: readonly string[], totalBytes: number, options: HashOptions): Promise<string> {
  const { onProgress, signal } = options;
  const hash = createHash('sha256');
  let readBytes = 0;
  try {
    for (const path of paths) {
      for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024, signal })) {
        hash.update(chunk as Buffer);
        readBytes += (chunk as Buffer).length;
        onProgress?.(readBytes, totalBytes);
      }
    }
  } catch (error) {
    throw signal?.aborted ? MeshError.cancelled() : error;
  }
  return hash.digest('hex');
}

function isDigest(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}
