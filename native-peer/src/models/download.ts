/**
 * Fetches one large file: resumes where an earlier attempt ended, survives connections that break, and puts the file in
 * its place only when it is whole and its SHA-256 is the expected one.
 */
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { backoffMs, MeshError, systemRandom } from '@tabmesh/shared';
import {
  FIRST_DOWNLOAD_RETRY_MS,
  LONGEST_DOWNLOAD_RETRY_MS,
  MOST_FRUITLESS_ATTEMPTS,
  MOST_REDIRECTS,
} from '../limits.ts';
import { pause } from '../pause.ts';
import { sha256OfFiles } from './file-hash.ts';

export interface DownloadOptions {
  readonly url: string;
  /** Where the whole file goes. Until then `<file>.part` holds what came; it stays when the download is stopped. */
  readonly file: string;
  /** Hex. Absent: the hub's own hash is used when it sends one. */
  readonly sha256?: string | undefined;
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Before the second attempt; doubles with every attempt that brought nothing. */
  readonly retryDelayMs?: number | undefined;
}

export interface DownloadProgress {
  readonly phase: 'download' | 'check';
  readonly doneBytes: number;
  /** null while unknown. */
  readonly totalBytes: number | null;
}

export interface Downloaded {
  readonly sizeBytes: number;
  readonly sha256: string;
  /** Whether there was a hash to compare with. */
  readonly verified: boolean;
}

/** @throws MeshError `download_failed`, `checksum_mismatch`, `cancelled` */
export async function download(options: DownloadOptions): Promise<Downloaded> {
  const { file, signal, onProgress } = options;
  const part = `${file}.part`;
  await mkdir(dirname(file), { recursive: true });
  const hubSha256 = await fetchWhole(options, part);
  const expected = options.sha256 ?? hubSha256;
  const sizeBytes = await sizeOf(part);
  const sha256 = await sha256OfFiles([part], {
    signal,
    onProgress: (doneBytes, totalBytes) => onProgress?.({ phase: 'check', doneBytes, totalBytes }),
  });
  if (expected !== undefined && expected !== sha256) {
    await discard(part);
    throw new MeshError(
      'checksum_mismatch',
      `What came from ${options.url} is not the expected file (SHA-256 ${sha256} instead of ${expected}). It was deleted; pull it again.`,
    );
  }
  await rename(part, file);
  await rm(noteOf(part), { force: true });
  return { sizeBytes, sha256, verified: expected !== undefined };
}

/** Returns the hub's hash, if any, once `part` has every byte. */
async function fetchWhole(options: DownloadOptions, part: string): Promise<string | undefined> {
  const { signal, retryDelayMs = FIRST_DOWNLOAD_RETRY_MS } = options;
  let fruitless = 0;
  for (;;) {
    const before = await sizeOf(part);
    let failure: unknown;
    try {
      const outcome = await fetchRest(options, part, before);
      if (outcome.whole) return outcome.sha256;
    } catch (error) {
      if (signal.aborted) throw MeshError.cancelled();
      if (MeshError.is(error) && !error.retryable) throw error;
      if (isFileError(error)) throw unwritable(part, error);
      failure = error;
    }
    fruitless = (await sizeOf(part)) > before ? 0 : fruitless + 1;
    if (fruitless >= MOST_FRUITLESS_ATTEMPTS) throw broken(options.url, await sizeOf(part), failure);
    if (fruitless > 0)
      await pause(
        backoffMs(fruitless - 1, systemRandom, { firstMs: retryDelayMs, longestMs: LONGEST_DOWNLOAD_RETRY_MS }),
        signal,
      );
    if (signal.aborted) throw MeshError.cancelled();
  }
}

async function fetchRest(
  options: DownloadOptions,
  part: string,
  haveBytes: number,
): Promise<{ whole: boolean; sha256?: string | undefined }> {
  const { url, signal, onProgress } = options;
  const note = haveBytes > 0 ? await readNote(part, url) : undefined;
  const resumed = note === undefined ? 0 : haveBytes;
  // `If-Range`: when the file has changed meanwhile, the server sends all of the new one instead of the rest.
  const headers = resumed > 0 && note !== undefined ? { range: `bytes=${resumed}-`, 'if-range': note.etag } : {};
  const { response, sha256 } = await follow(url, { ...headers, 'accept-encoding': 'identity' }, signal);
  const continues = response.status === 206;
  if (response.status === 416) await discard(part);
  if (!response.ok || response.body === null) throw refused(url, response.status);
  const start = continues ? resumed : 0;
  const totalBytes = totalOf(response, start);
  await checkSpace(part, url, totalBytes, start);
  await writeNote(part, url, response.headers.get('etag'));
  let doneBytes = start;
  onProgress?.({ phase: 'download', doneBytes, totalBytes });
  const counted = async function* (chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      doneBytes += chunk.length;
      onProgress?.({ phase: 'download', doneBytes, totalBytes });
      yield chunk;
    }
  };
  const target = createWriteStream(part, { flags: continues ? 'a' : 'w' });
  await pipeline(response.body, counted, target, { signal });
  return { whole: totalBytes === null || doneBytes === totalBytes, sha256 };
}

/** Redirects by hand, because hubs send the hash with the redirect and not with the file. */
async function follow(url: string, headers: Record<string, string>, signal: AbortSignal) {
  let next = url;
  let sha256: string | undefined;
  for (let hop = 0; hop <= MOST_REDIRECTS; hop += 1) {
    const response = await fetch(next, { headers, signal, redirect: 'manual' });
    sha256 ??= hashIn(response.headers.get('x-linked-etag')) ?? hashIn(response.headers.get('etag'));
    const location = response.headers.get('location');
    if (response.status < 300 || response.status >= 400 || location === null) return { response, sha256 };
    await response.body?.cancel();
    next = new URL(location, next).href;
  }
  throw new MeshError('download_failed', `${url} redirects without end. Check the address.`);
}

function hashIn(etag: string | null): string | undefined {
  return etag?.match(/^(?:W\/)?"?([0-9a-f]{64})"?$/i)?.[1]?.toLowerCase();
}

function totalOf(response: Response, start: number): number | null {
  const total = response.headers.get('content-range')?.match(/\/(\d+)$/)?.[1];
  if (total !== undefined) return Number(total);
  const length = response.headers.get('content-length');
  return length === null ? null : start + Number(length);
}

async function checkSpace(part: string, url: string, totalBytes: number | null, haveBytes: number): Promise<void> {
  if (totalBytes === null) return;
  const { bavail, bsize } = await statfs(dirname(part));
  const freeBytes = bavail * bsize;
  if (totalBytes - haveBytes <= freeBytes) return;
  throw new MeshError(
    'download_failed',
    `${url} has ${totalBytes} bytes, but the disk has room for ${freeBytes}. Free some space or set TABMESH_HOME to another disk.`,
  );
}

interface Note {
  readonly url: string;
  /** A strong etag; without one a partial file can't be continued safely. */
  readonly etag: string;
}

const noteOf = (part: string) => `${part}.json`;

async function readNote(part: string, url: string): Promise<Note | undefined> {
  try {
    const note: Partial<Note> = JSON.parse(await readFile(noteOf(part), 'utf8'));
    return note.url === url && typeof note.etag === 'string' ? { url, etag: note.etag } : undefined;
  } catch {
    return undefined;
  }
}

async function writeNote(part: string, url: string, etag: string | null): Promise<void> {
  if (etag === null || etag.startsWith('W/')) await rm(noteOf(part), { force: true });
  else await writeFile(noteOf(part), JSON.stringify({ url, etag } satisfies Note));
}

async function discard(part: string): Promise<void> {
  await rm(part, { force: true });
  await rm(noteOf(part), { force: true });
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    return 0;
  }
}

function refused(url: string, status: number): MeshError {
  const retryable = status === 416 || status === 408 || status === 429 || status >= 500;
  const reason = status === 404 ? 'there is no such file' : `the server answered ${status}`;
  return new MeshError('download_failed', `${url} can't be downloaded: ${reason}. Check the address.`, { retryable });
}

function broken(url: string, haveBytes: number, cause: unknown): MeshError {
  if (MeshError.is(cause)) return cause;
  const next = haveBytes > 0 ? 'Pull again: it goes on where it stopped' : 'Check the address and the network';
  const what = haveBytes > 0 ? `broke off after ${haveBytes} bytes` : 'could not begin';
  return new MeshError('download_failed', `The download of ${url} ${what}. ${next}.`, { cause });
}

function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && ['open', 'write', 'close'].includes(String(error.syscall));
}

function unwritable(part: string, cause: NodeJS.ErrnoException): MeshError {
  return new MeshError(
    'download_failed',
    `${part} can't be written (${cause.code}). Free some space or check the folder.`,
    {
      cause,
    },
  );
}
