/** Downloads from a hub that behaves well, badly and worse. */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type DownloadProgress, download } from '../src/models/download.ts';
import { Hub } from '../src/models/hub.ts';
import { startFileServer } from './file-server.ts';
import { temporaryFolder } from './temporary-folder.ts';

const BODY = randomBytes(3_000_000);
const SHA256 = hashOf(BODY);

function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function setUp() {
  const folder = await temporaryFolder();
  const server = await startFileServer(BODY);
  const file = join(folder, 'models', 'model.gguf');
  const pull = (options: Partial<Parameters<typeof download>[0]> = {}) =>
    download({ url: server.url, file, signal: new AbortController().signal, retryDelayMs: 0, ...options });
  /** Stops the download once at least this many bytes came. */
  const pullUntil = (bytes: number) => {
    const abort = new AbortController();
    const onProgress = ({ doneBytes }: DownloadProgress) => {
      if (doneBytes >= bytes) abort.abort();
    };
    return pull({ signal: abort.signal, onProgress });
  };
  return { folder, server, file, pull, pullUntil };
}

describe('download', () => {
  it('NP20: a file arrives whole under its name, with its hash and nothing left beside it', async () => {
    const { file, pull } = await setUp();
    const progress: DownloadProgress[] = [];
    const downloaded = await pull({ sha256: SHA256, onProgress: (step) => progress.push(step) });
    expect(downloaded).toEqual({ sizeBytes: BODY.length, sha256: SHA256, verified: true });
    expect(hashOf(await readFile(file))).toBe(SHA256);
    expect(await readdir(join(file, '..'))).toEqual(['model.gguf']);
    expect(progress.at(0)).toMatchObject({ phase: 'download', totalBytes: BODY.length });
    expect(progress.at(-1)).toEqual({ phase: 'check', doneBytes: BODY.length, totalBytes: BODY.length });
  });

  it('NP21: a stopped download keeps what came and goes on from there', async () => {
    const { server, file, pull, pullUntil } = await setUp();
    await expect(pullUntil(500_000)).rejects.toMatchObject({ code: 'cancelled' });
    expect(existsSync(file)).toBe(false);
    const kept = (await readFile(`${file}.part`)).length;
    expect(kept).toBeGreaterThan(0);
    expect((await pull({ sha256: SHA256 })).verified).toBe(true);
    expect(server.requests.at(-1)?.range).toBe(`bytes=${kept}-`);
  });

  it('NP22: a connection that breaks again and again is taken up again as long as bytes come', async () => {
    const { server, pull } = await setUp();
    server.manners.cutAfterBytes = 400_000;
    expect((await pull({ sha256: SHA256 })).sizeBytes).toBe(BODY.length);
    expect(server.requests.length).toBeGreaterThanOrEqual(BODY.length / 400_000);
  });

  it('NP20: a file arrives whole of which all waits to be written when the server hangs up', async () => {
    const { server, file, pull } = await setUp();
    const body = Buffer.concat([BODY, BODY]);
    const blunt = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.once('data', () => {
        socket.write(`HTTP/1.0 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`);
        socket.end(body);
      });
    });
    await new Promise<void>((resolve) => blunt.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void blunt.close());
    const hub = new Hub({});
    const slow = {
      refusal: () => undefined,
      async fetch(...asked: Parameters<Hub['fetch']>) {
        const response = await hub.fetch(...asked);
        // What comes meanwhile waits.
        for (let turn = 0; turn < 3; turn += 1) await (await fetch(server.redirectUrl)).arrayBuffer();
        return response;
      },
    } as unknown as Hub;
    const { port } = blunt.address() as AddressInfo;
    await pull({ url: `http://127.0.0.1:${port}/model.gguf`, sha256: hashOf(body), hub: slow });
    expect((await readFile(file)).length).toBe(body.length);
  });

  it('NP23: a connection that brings nothing any more fails as download_failed, and what came stays', async () => {
    const { server, file, pull, pullUntil } = await setUp();
    await expect(pullUntil(500_000)).rejects.toMatchObject({ code: 'cancelled' });
    server.manners.cutAfterBytes = 0;
    await expect(pull()).rejects.toMatchObject({
      code: 'download_failed',
      message: expect.stringContaining('Pull again: it goes on where it stopped.'),
    });
    expect(existsSync(`${file}.part`)).toBe(true);
  });

  it('NP24: what does not hash to the expected value is deleted and fails as checksum_mismatch', async () => {
    const { server, file, pull } = await setUp();
    server.manners.body = Buffer.from(BODY);
    server.manners.body[1_000_000] = (BODY[1_000_000] ?? 0) ^ 1;
    await expect(pull({ sha256: SHA256 })).rejects.toMatchObject({ code: 'checksum_mismatch' });
    expect(await readdir(join(file, '..'))).toEqual([]);
  });

  it("NP25: without a hash of one's own, the hub's is checked, from the redirect as from the file", async () => {
    const { server, pull } = await setUp();
    server.manners.linkedEtag = SHA256;
    expect((await pull({ url: server.redirectUrl })).verified).toBe(true);
    server.manners.linkedEtag = '0'.repeat(64);
    await expect(pull({ url: server.redirectUrl })).rejects.toMatchObject({ code: 'checksum_mismatch' });
    server.manners.etag = `"${SHA256}"`;
    expect((await pull()).verified).toBe(true);
    server.manners.etag = '"something else"';
    expect((await pull()).verified).toBe(false);
  });

  it('NP26: a file that changed at the hub meanwhile starts anew', async () => {
    const { server, file, pull, pullUntil } = await setUp();
    await expect(pullUntil(500_000)).rejects.toMatchObject({ code: 'cancelled' });
    server.manners.body = randomBytes(2_000_000);
    server.manners.etag = '"second"';
    await pull();
    expect(hashOf(await readFile(file))).toBe(hashOf(server.manners.body));
  });

  it('NP26: a hub that knows no ranges or names no version sends the whole file again', async () => {
    for (const manners of [{ ranges: false }, { etag: undefined }]) {
      const { server, pull, pullUntil } = await setUp();
      Object.assign(server.manners, manners);
      await expect(pullUntil(500_000)).rejects.toMatchObject({ code: 'cancelled' });
      expect((await pull({ sha256: SHA256 })).verified).toBe(true);
    }
  });

  it('NP27: a hub that has no such file, or none at all, is a download_failed that says so', async () => {
    const { server, pull } = await setUp();
    server.manners.status = 404;
    await expect(pull()).rejects.toMatchObject({
      code: 'download_failed',
      message: expect.stringContaining('there is no such file'),
    });
    expect(server.requests.length).toBe(1);
    server.manners.status = 503;
    await expect(pull()).rejects.toMatchObject({ code: 'download_failed' });
    expect(server.requests.length).toBeGreaterThan(2);
    await server.close();
    await expect(pull()).rejects.toMatchObject({
      code: 'download_failed',
      message: expect.stringContaining('could not begin'),
    });
  });
});
