/**
 * Fetches one large file: resumes where an earlier attempt ended, survives connections that break, and puts the file in
 * its place only when it is whole and its SHA-256 is the expected one.
 */
import { createWriteStream } from 'node:fs';
import { mkdir, rename, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { backoffMs, MeshError, pause, systemClock, systemRandom } from '@tabmesh/shared';
import {
  FIRST_DOWNLOAD_RETRY_MS,
  LONGEST_DOWNLOAD_RETRY_MS,
  MOST_FRUITLESS_ATTEMPTS,
  MOST_REDIRECTS,
} from '../limits.ts';
import { sha256OfFiles } from './file-hash.ts';
import { INSPECTED_BYTES } from './gguf-magic.ts';
import { Hub, NETWORK_ADVICE } from './hub.ts';
import { networkCause } from './network-cause.ts';
import { bytesIn, discard, dropNote, readNote, writeNote } from './partial-file.ts';

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
  /** Token, proxy. Default: those of no environment. */
  readonly hub?: Hub | undefined;
  /**
   * Looks at the first bytes (`INSPECTED_BYTES`, unless the file is shorter) before any is kept, and throws for what is no such
   * file.
   */
  readonly inspect?: ((first: Uint8Array) => void) | undefined;
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

/** @throws MeshError `download_failed`, `checksum_mismatch`, `cancelled`, or what `inspect` throws */
export async function download(options: DownloadOptions): Promise<Downloaded> {
  const { file, signal, onProgress } = options;
  const part = `${file}.part`;
  await mkdir(dirname(file), { recursive: true });
  const hubSha256 = await fetchWhole(options, part);
  const expected = options.sha256 ?? hubSha256;
  const sizeBytes = await bytesIn(part);
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
  await dropNote(part);
  return { sizeBytes, sha256, verified: expected !== undefined };
}

/** Returns the hub's hash, if any, once `part` has every byte. */
async function fetchWhole(options: DownloadOptions, part: string): Promise<string | undefined> {
  const { signal, retryDelayMs = FIRST_DOWNLOAD_RETRY_MS } = options;
  const atStart = await bytesIn(part);
  let fruitless = 0;
  for (;;) {
    const before = await bytesIn(part);
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
    // A wrong name or no network at all: nobody should wait for attempts that find the same.
    const neverBegan = (await bytesIn(part)) === atStart && fruitless === 0;
    if (neverBegan && !MeshError.is(failure) && networkCause(failure).isUnreachable) {
      throw broken(options.url, atStart, failure);
    }
    fruitless = (await bytesIn(part)) > before ? 0 : fruitless + 1;
    if (fruitless >= MOST_FRUITLESS_ATTEMPTS) throw broken(options.url, await bytesIn(part), failure);
    if (fruitless > 0)
      await pause(
        systemClock,
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
  const { url, signal, onProgress, hub = new Hub({}), inspect } = options;
  const note = haveBytes > 0 ? await readNote(part, url) : undefined;
  const resumed = note === undefined ? 0 : haveBytes;
  // `If-Range`: when the file has changed meanwhile, the server sends all of the new one instead of the rest.
  const headers = resumed > 0 && note !== undefined ? { range: `bytes=${resumed}-`, 'if-range': note.etag } : {};
  const { response, sha256 } = await follow(hub, url, { ...headers, 'accept-encoding': 'identity' }, signal);
  const continues = response.status === 206;
  if (response.status === 416) await discard(part);
  if (!response.ok || response.body === null) throw refused(hub, url, response.status);
  const start = continues ? resumed : 0;
  const totalBytes = totalOf(response, start);
  await checkSpace(part, url, totalBytes, start);
  const chunks = continues ? response.body : await inspected(response.body, inspect);
  await writeNote(part, url, response.headers.get('etag'));
  let doneBytes = start;
  onProgress?.({ phase: 'download', doneBytes, totalBytes });
  const counted = async function* (arriving: AsyncIterable<Uint8Array>) {
    for await (const chunk of arriving) {
      doneBytes += chunk.length;
      onProgress?.({ phase: 'download', doneBytes, totalBytes });
      yield chunk;
    }
  };
  const target = createWriteStream(part, { flags: continues ? 'a' : 'w' });
  await pipeline(chunks, counted, target, { signal });
  return { whole: totalBytes === null || doneBytes === totalBytes, sha256 };
}

/** The same chunks again, once their beginning was looked at: what is refused touches no file. */
async function inspected(
  body: AsyncIterable<Uint8Array>,
  inspect: DownloadOptions['inspect'],
): Promise<AsyncIterable<Uint8Array>> {
  const arriving = body[Symbol.asyncIterator]();
  let first = new Uint8Array();
  while (first.length < INSPECTED_BYTES) {
    const { done, value } = await arriving.next();
    if (done) break;
    first = Buffer.concat([first, value]);
  }
  try {
    inspect?.(first);
  } catch (error) {
    await arriving.return?.();
    throw error;
  }
  return (async function* () {
    yield first;
    yield* { [Symbol.asyncIterator]: () => arriving };
  })();
}

/**
 * The hash and the size that a hub tells of a file, without the file.
 * @throws MeshError `download_failed`, `cancelled`
 */
export async function lookUp(hub: Hub, url: string, signal: AbortSignal) {
  try {
    const { response, sha256 } = await follow(hub, url, { 'accept-encoding': 'identity' }, signal);
    await response.body?.cancel();
    if (!response.ok) throw refused(hub, url, response.status);
    return { sha256, sizeBytes: totalOf(response, 0) };
  } catch (error) {
    if (signal.aborted) throw MeshError.cancelled();
    throw MeshError.is(error) ? error : broken(url, 0, error);
  }
}

/** Redirects by hand, because hubs send the hash with the redirect and not with the file. */
async function follow(hub: Hub, url: string, headers: Record<string, string>, signal: AbortSignal) {
  let next = url;
  let sha256: string | undefined;
  for (let hop = 0; hop <= MOST_REDIRECTS; hop += 1) {
    const response = await hub.fetch(next, headers, signal);
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

function totalOf(response: { headers: { get(name: string): string | null } }, start: number): number | null {
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

function refused(hub: Hub, url: string, status: number): MeshError {
  const retryable = status === 416 || status === 408 || status === 429 || status >= 500;
  const unknown = status === 404 ? 'there is no such file' : `the server answered ${status}`;
  const reason = hub.refusal(url, status) ?? `${unknown}. Check the address`;
  return new MeshError('download_failed', `${url} can't be downloaded: ${reason}.`, { retryable });
}

function broken(url: string, haveBytes: number, cause: unknown): MeshError {
  if (MeshError.is(cause)) return cause;
  const what = haveBytes > 0 ? `broke off after ${haveBytes} bytes` : 'could not begin';
  const why = cause === undefined ? 'the server sends nothing more' : networkCause(cause).words;
  const next = haveBytes > 0 ? 'Pull again: it goes on where it stopped.' : NETWORK_ADVICE;
  return new MeshError('download_failed', `The download of ${url} ${what}: ${why}. ${next}`, { cause });
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
