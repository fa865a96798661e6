/**
 * The files of one model, one after the other: each goes on where it stopped, and what is here already is not fetched again.
 * Of a model in parts every part is looked up before the first byte comes: nobody should wait for forty gigabytes to hear
 * that the last part does not exist.
 */
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { MeshError, type ModelId } from '@tabmesh/shared';
import type { Home } from '../home/home.ts';
import { type Downloaded, type DownloadProgress, download, lookUp } from './download.ts';
import type { DownloadRecords } from './download-records.ts';
import { rememberSha256 } from './file-hash.ts';
import { refuseUnlessGguf } from './gguf-magic.ts';
import type { Hub } from './hub.ts';
import { recordKey } from './record-key.ts';
import type { RemoteModel } from './remote-model.ts';
import { sameFile } from './same-file.ts';
import { sizeOf } from './size-of.ts';
import { storedModels, storedName } from './stored-models.ts';

export interface PullFilesOptions {
  readonly id: ModelId;
  readonly remote: RemoteModel;
  /** Expected hashes in the order of the files; win over the hub's. */
  readonly sha256: readonly string[];
  readonly hub: Hub;
  readonly home: Home;
  readonly records: DownloadRecords;
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly retryDelayMs?: number | undefined;
}

export interface PulledFiles extends Downloaded {
  readonly files: readonly string[];
  /** False: all were here already. */
  readonly isNew: boolean;
}

/** @throws MeshError `invalid_request`, `model_invalid`, `download_failed`, `checksum_mismatch`, `cancelled` */
export async function pullFiles(options: PullFilesOptions): Promise<PulledFiles> {
  const { id, remote, home, hub, signal } = options;
  const count = remote.files.length;
  const wanted = remote.files.map(({ url, sha256 }, at) => ({
    url,
    file: join(home.modelsPath, storedName(id, { index: at + 1, count })),
    sha256: options.sha256[at] ?? sha256,
  }));
  if (count > 1) {
    await adoptLonePart(options, wanted[0]?.file ?? '');
    await refuseOtherParts(options, wanted[0]?.file ?? '');
  }
  const sizes = count > 1 ? await sizesOf(wanted, hub, signal) : [];
  const totalBytes = sizes.some((size) => size === null)
    ? null
    : sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
  const pulled: (Downloaded & { readonly isNew: boolean })[] = [];
  for (const file of wanted) {
    const beforeBytes = pulled.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const onProgress = (progress: DownloadProgress) =>
      options.onProgress?.(
        count === 1 || progress.phase === 'check'
          ? progress
          : { ...progress, doneBytes: beforeBytes + progress.doneBytes, totalBytes },
      );
    pulled.push(await pullFile({ ...options, onProgress }, file));
  }
  return {
    files: wanted.map(({ file }) => file),
    sizeBytes: pulled.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    sha256: pulled.map(({ sha256 }) => sha256).join(','),
    verified: pulled.every(({ verified }) => verified),
    isNew: pulled.some(({ isNew }) => isNew),
  };
}

interface WantedFile {
  readonly url: string;
  readonly file: string;
  readonly sha256: string | undefined;
}

async function pullFile(options: PullFilesOptions, { url, file, sha256 }: WantedFile) {
  const { id, hub, home, records, remote } = options;
  const { hashCacheFile } = home;
  const key = recordKey(file);
  const record = await records.get(key);
  const known = await sameFile({ ...options, id, file, url, expected: sha256, record, hub, hashCacheFile });
  const inspect = (first: Uint8Array) => refuseUnlessGguf(first, url);
  const downloaded = known ?? (await download({ ...options, url, file, sha256, hub, inspect }));
  await rememberSha256(file, downloaded.sha256, hashCacheFile);
  const { repository } = remote;
  const { sizeBytes } = downloaded;
  await records.keep(key, { url, sha256: downloaded.sha256, sizeBytes, ...(repository && { repository }) });
  return { ...downloaded, isNew: known === undefined };
}

/**
 * @returns null where a server does not tell.
 * @throws MeshError `download_failed` that names the first part which is not to be had
 */
async function sizesOf(
  wanted: readonly WantedFile[],
  hub: Hub,
  signal: AbortSignal,
): Promise<readonly (number | null)[]> {
  const sizes: (number | null)[] = [];
  for (const { url, file } of wanted) {
    const here = await sizeOf(file);
    sizes.push(here ?? (await lookUp(hub, url, signal)).sizeBytes);
  }
  return sizes;
}

/** An older TabMesh took the first part of a model for all of it: that is no reason to fetch it again. */
async function adoptLonePart({ id, remote, home, records }: PullFilesOptions, first: string): Promise<void> {
  const lone = join(home.modelsPath, storedName(id));
  const record = await records.get(id);
  const size = await sizeOf(lone);
  const isFirst = record !== undefined && record.url === remote.files[0]?.url && record.sizeBytes === size;
  if (!isFirst || (await sizeOf(first)) !== undefined) return;
  await rename(lone, first);
  await records.keep(recordKey(first), record);
  await records.drop(id);
}

/** Never a second model under a name that one has: which of the two would be served? */
async function refuseOtherParts({ id, home }: PullFilesOptions, first: string): Promise<void> {
  const stored = await storedModels(home.modelsPath);
  const other = stored.find(({ id: name, files }) => name === id && files[0] !== first);
  if (other === undefined) return;
  throw new MeshError(
    'invalid_request',
    `Another model is here as ${id} (${other.files.length === 1 ? 'one file' : `${other.files.length} parts`}). Give this one a name of its own with --name ${id}-2, or remove that one first: npx tabmesh models rm ${id}`,
  );
}
