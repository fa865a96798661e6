/** Pulls by name, repository and address: what comes, what is here already, and what is refused. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelId } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { openHome } from '../src/home/home.ts';
import { ModelStore, type PullOptions } from '../src/models/model-store.ts';
import { startFileServer } from './file-server.ts';
import { startHubServer, startProxy } from './hub-server.ts';
import { temporaryFolder } from './temporary-folder.ts';

const gguf = (text: string) => Buffer.from(`GGUF${text}`);
const REPOSITORY = 'alice/Small-1B-GGUF';
const FILES = {
  'README.md': Buffer.from('# Small'),
  'Small-1B-Q4_K_M.gguf': gguf('four bits'),
  'Small-1B-Q8_0.gguf': gguf('eight bits'),
  'Small-1B-BF16-00001-of-00002.gguf': gguf('first half'),
  'mmproj-Small-1B-F16.gguf': gguf('eyes'),
};

async function setUp(environment: NodeJS.ProcessEnv = {}) {
  const home = await openHome(join(await temporaryFolder(), 'home'));
  const store = new ModelStore({ home, embeddedPath: home.path, environment });
  const pull = (source: string, options: Partial<PullOptions> = {}) =>
    store.pull({ source, signal: new AbortController().signal, retryDelayMs: 0, ...options });
  const files = async () => (await readdir(home.modelsPath)).sort();
  return { home, store, pull, files };
}

describe('repositories of the hub', () => {
  it('NP92: a repository is pulled by its name, with or without a quantisation, and found by it', async () => {
    const hub = await startHubServer(REPOSITORY, FILES);
    const { store, pull } = await setUp({ HF_ENDPOINT: hub.url });
    expect(await pull(REPOSITORY)).toMatchObject({ id: 'Small-1B-Q4_K_M', isNew: true });
    expect(await pull(`hf.co/${REPOSITORY}:q8_0`)).toMatchObject({ id: 'Small-1B-Q8_0', isNew: true });
    const found = await store.find(`${REPOSITORY}:Q8_0`);
    expect(await readFile(found.file)).toEqual(FILES['Small-1B-Q8_0.gguf']);
    expect((await store.find('alice/small-1b-gguf:q4_k_m')).id).toBe('Small-1B-Q4_K_M');
    expect((await store.find('small-1b-q8_0')).id).toBe('Small-1B-Q8_0');
  });

  it('NP92: what the repository does not have is a model_not_found that names what it has', async () => {
    const hub = await startHubServer(REPOSITORY, FILES);
    const { store, pull, files } = await setUp({ HF_ENDPOINT: hub.url });
    const refused = (source: string, text: string) =>
      expect(pull(source)).rejects.toMatchObject({ code: 'model_not_found', message: expect.stringContaining(text) });
    await refused(`${REPOSITORY}:Q5_K_M`, 'Q4_K_M, Q8_0');
    await refused(`${REPOSITORY}:BF16`, 'several parts, of which Small-1B-BF16-00002-of-00002.gguf is missing');
    await refused('alice/nothing', 'no repository');
    hub.files.clear();
    hub.files.set('model.safetensors', Buffer.from('x'));
    await refused(REPOSITORY, 'no GGUF file');
    await expect(store.find(REPOSITORY)).rejects.toMatchObject({
      code: 'model_not_found',
      message: expect.stringContaining(`models pull ${REPOSITORY}`),
    });
    expect(await files()).toEqual([]);
  });

  it('NP92: a list that is none, or has no end, is a download_failed', async () => {
    const { url, manners } = await startFileServer(Buffer.from('<html>'));
    const { pull } = await setUp({ HF_ENDPOINT: new URL(url).origin });
    for (const body of ['<html>', '{}', `[${'{"path":"a"},'.repeat(100_000)}{"path":"b"}]`, '[{"path":1}]']) {
      manners.body = Buffer.from(body);
      await expect(pull(REPOSITORY)).rejects.toMatchObject({ code: 'download_failed' });
    }
  });

  it("NP98: HF_ENDPOINT stands for the hub's address, also of the catalog's files", async () => {
    const body = gguf('of the catalog');
    const hub = await startHubServer('bartowski/Llama-3.2-3B-Instruct-GGUF', {
      'Llama-3.2-3B-Instruct-Q4_K_M.gguf': body,
    });
    const { store, pull } = await setUp({ HF_ENDPOINT: `${hub.url}/` });
    expect(await pull('llama3.2:3b')).toMatchObject({ id: 'Llama-3.2-3B' });
    expect(await readFile((await store.find('Llama-3.2-3B')).file)).toEqual(body);
    await expect(setUp({ HF_ENDPOINT: 'nowhere' }).then((other) => other.pull('qwen3:8b'))).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('HF_ENDPOINT'),
    });
  });

  it('NP97: a hub that wants a token says so, and HF_TOKEN goes to the hub and nowhere else', async () => {
    const storage = await startHubServer(REPOSITORY, FILES);
    const hub = await startHubServer(REPOSITORY, FILES);
    hub.token = 'hf_secret';
    hub.storage = storage.url;
    const source = `${hub.url}/${REPOSITORY}/resolve/main/Small-1B-Q8_0.gguf`;
    const without = await setUp({ HF_ENDPOINT: hub.url });
    const wrong = await setUp({ HF_ENDPOINT: hub.url, HF_TOKEN: 'hf_other' });
    for (const { pull } of [without, wrong]) {
      for (const asked of [REPOSITORY, source]) {
        await expect(pull(asked)).rejects.toMatchObject({
          code: 'download_failed',
          message: expect.stringMatching(/401(?=.*HF_TOKEN)(?=.*terms)/),
        });
      }
    }
    const { pull } = await setUp({ HF_ENDPOINT: hub.url, HF_TOKEN: 'hf_secret' });
    expect(await pull(source)).toMatchObject({ id: 'Small-1B-Q8_0' });
    expect(hub.requests.at(-1)?.authorization).toBe('Bearer hf_secret');
    expect(storage.requests).toEqual([expect.objectContaining({ authorization: undefined })]);
  });

  it('NP98: downloads go through the proxy that the environment names, but for what needs none', async () => {
    const hub = await startHubServer(REPOSITORY, FILES);
    const proxy = await startProxy();
    const through = await setUp({ HF_ENDPOINT: hub.url, http_proxy: proxy.url.replace('http://', '') });
    await through.pull(REPOSITORY);
    expect(proxy.asked.length).toBeGreaterThan(0);
    proxy.asked.length = 0;
    const direct = await setUp({ HF_ENDPOINT: hub.url, HTTP_PROXY: proxy.url, NO_PROXY: '127.0.0.1' });
    await direct.pull(REPOSITORY);
    expect(proxy.asked).toEqual([]);
    const gone = await setUp({ HF_ENDPOINT: hub.url, HTTP_PROXY: 'http://127.0.0.1:9' });
    await expect(gone.pull(REPOSITORY)).rejects.toMatchObject({
      code: 'download_failed',
      message: expect.stringContaining('127.0.0.1:9 refuses connections'),
    });
    const none = await setUp({ HTTPS_PROXY: 'socks5://127.0.0.1:9' });
    await expect(none.pull(REPOSITORY)).rejects.toMatchObject({ message: expect.stringContaining('HTTPS_PROXY') });
  });
});

describe('what is here already', () => {
  it('NP93: the same pull again downloads nothing', async () => {
    const { url, requests, manners } = await startFileServer(gguf('weights'));
    const { pull } = await setUp();
    const first = await pull(url);
    expect(first).toMatchObject({ id: 'model', isNew: true });
    expect(await pull(url)).toMatchObject({ id: 'model', isNew: false, sha256: first.sha256 });
    expect(requests).toHaveLength(1);
    // Under its old name by another address: the hub's hash tells that it is the same.
    manners.etag = `"${first.sha256}"`;
    expect(await pull(`${url}?download=true`)).toMatchObject({ isNew: false });
    expect(await pull(url, { sha256: first.sha256 })).toMatchObject({ isNew: false });
  });

  it('NP93: a model that an older TabMesh pulled, which wrote nothing down, is known by hash or size', async () => {
    const { url, manners } = await startFileServer(gguf('weights'));
    const { home, store, pull } = await setUp();
    const { sha256 } = await pull(url);
    const forget = async () => (await import('node:fs/promises')).rm(home.downloadsFile);
    await forget();
    expect(await pull(url)).toMatchObject({ isNew: false });
    await forget();
    manners.etag = `"${sha256}"`;
    expect(await pull(url)).toMatchObject({ isNew: false });
    await store.remove('model');
    expect(await pull(url)).toMatchObject({ isNew: true });
  });

  it('NP94: a pull never writes over another file, and takes another name', async () => {
    const first = await startFileServer(gguf('one'));
    const second = await startFileServer(gguf('another'));
    const { store, pull, files } = await setUp();
    const { file } = await pull(first.url);
    await expect(pull(second.url)).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringMatching(/--name model-2.*models rm model$/),
    });
    await expect(pull(first.url, { sha256: '0'.repeat(64) })).rejects.toMatchObject({ code: 'invalid_request' });
    expect(await readFile(file)).toEqual(gguf('one'));
    expect(await files()).toEqual(['model.gguf']);
    const other = await pull(second.url, { name: ModelId.parse('model-2') });
    expect(await readFile((await store.find('model-2')).file)).toEqual(gguf('another'));
    expect(other.isNew).toBe(true);
    await expect(pull(second.url, { name: ModelId.parse('mesh-tiny') })).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('part of TabMesh'),
    });
  });
});

describe('what is no model', () => {
  it("NP95: a page of the hub is refused with the file's address, and nothing of it stays", async () => {
    const hub = await startHubServer(REPOSITORY, FILES);
    const { pull, files } = await setUp();
    const page = `${hub.url}/${REPOSITORY}/blob/main/Small-1B-Q8_0.gguf`;
    await expect(pull(page)).rejects.toMatchObject({
      code: 'model_invalid',
      message: `${page} is no GGUF file but a web page. Its file is at ${hub.url}/${REPOSITORY}/resolve/main/Small-1B-Q8_0.gguf`,
    });
    expect(await files()).toEqual([]);
  });

  it.each([
    ['<html>', 'a web page'],
    ['  \n<html>', 'a web page'],
    ['GGU', 'something else'],
    ['', 'something else'],
    ['{"error": "none"}', 'a JSON text'],
    ['PK\x03\x04weights', 'a ZIP archive'],
    ['GGML of old', 'something else'],
  ])('NP95: %j is refused by its first bytes, and nothing of it stays', async (body, what) => {
    const { url, requests } = await startFileServer(Buffer.from(body));
    const { pull, files } = await setUp();
    await expect(pull(url)).rejects.toMatchObject({
      code: 'model_invalid',
      message: expect.stringContaining(`is no GGUF file but ${what}`),
    });
    expect(await files()).toEqual([]);
    expect(requests).toHaveLength(1);
  });
});

describe('a hub that can not be reached', () => {
  it('NP96: is told at once, with the cause', async () => {
    const { url, close } = await startFileServer(Buffer.from('x'));
    await close();
    const { origin, host } = new URL(url);
    const { pull, files } = await setUp({ HF_ENDPOINT: origin });
    for (const [source, cause] of [
      [url, `${host} refuses connections`],
      ['Llama-3.2-3B', `${host} refuses connections`],
      [REPOSITORY, `${host} refuses connections`],
      ['http://no-such-host.invalid/model.gguf', 'the name no-such-host.invalid is not found'],
      ['http://127.0.0.1:9/model.gguf', 'bad port'],
    ] as const) {
      // Four attempts would take seven seconds.
      const began = performance.now();
      await expect(pull(source, { retryDelayMs: undefined })).rejects.toMatchObject({
        code: 'download_failed',
        message: expect.stringContaining(cause),
      });
      expect(performance.now() - began).toBeLessThan(5000);
    }
    expect(await files()).toEqual([]);
  });
});
