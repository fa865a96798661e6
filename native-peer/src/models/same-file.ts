/** Whether a pull would bring what is here already. */
import { MeshError, type ModelId } from '@tabmesh/shared';
import { type Downloaded, type DownloadProgress, lookUp } from './download.ts';
import type { DownloadRecord } from './download-records.ts';
import { sha256OfFiles } from './file-hash.ts';
import type { Hub } from './hub.ts';
import { sizeOf } from './size-of.ts';

export interface SameFileOptions {
  readonly id: ModelId;
  readonly file: string;
  /** Where the pull would download from. */
  readonly url: string;
  /** The hash that is asked for, if any. */
  readonly expected: string | undefined;
  /** Where the file came from; undefined when nobody wrote that down. */
  readonly record: DownloadRecord | undefined;
  readonly hub: Hub;
  readonly hashCacheFile: string;
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

/**
 * What is here under that name, when it is what would come; undefined when nothing is.
 * @throws MeshError `invalid_request` when it is something else; `download_failed`, `cancelled`
 */
export async function sameFile(options: SameFileOptions): Promise<Downloaded | undefined> {
  const { id, file, url, expected, record, hub, signal } = options;
  const sizeBytes = await sizeOf(file);
  if (sizeBytes === undefined) return undefined;
  const isUntouched = record?.sizeBytes === sizeBytes;
  if (isUntouched && record.url === url && (expected ?? record.sha256) === record.sha256) {
    return { sizeBytes, sha256: record.sha256, verified: true };
  }
  const told = expected === undefined ? await lookUp(hub, url, signal) : { sha256: expected, sizeBytes: null };
  const sha256 = await sha256OfFiles([file], {
    cacheFile: options.hashCacheFile,
    signal,
    onProgress: (doneBytes, totalBytes) => options.onProgress?.({ phase: 'check', doneBytes, totalBytes }),
  });
  if (told.sha256 === sha256) return { sizeBytes, sha256, verified: true };
  // Pulled before such things were written down, from a server that tells no hash.
  const isSameSize = record === undefined && told.sha256 === undefined && told.sizeBytes === sizeBytes;
  if (isSameSize) return { sizeBytes, sha256, verified: false };
  const from = record === undefined ? '' : ` from ${record.url}`;
  const ways = `Give this one a name of its own with --name ${id}-2, or remove that one first: npx tabmesh models rm ${id}`;
  throw new MeshError('invalid_request', `Another file${from} is here as ${id}. ${ways}`);
}
