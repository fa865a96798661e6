/** Models by name, by path and by address. */
import { createHash, randomBytes } from 'node:crypto';
import { cp, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openHome } from '../src/home/home.ts';
import { sha256OfFiles } from '../src/models/file-hash.ts';
import { ModelStore } from '../src/models/model-store.ts';
import { MINI, MODELS, TINY } from './embedded-models.ts';
import { startFileServer } from './file-server.ts';
import { temporaryFolder } from './temporary-folder.ts';

async function setUp() {
  const home = await openHome(join(await temporaryFolder(), 'home'));
  return { home, store: new ModelStore({ home, embeddedPath: MODELS }) };
}

const never = () => new AbortController().signal;

describe('model store', () => {
  it('NP28: a name finds the embedded model, a path the file, and both have a name to serve under', async () => {
    const { home, store } = await setUp();
    expect(await store.find('mesh-tiny')).toEqual({ id: 'mesh-tiny', file: TINY });
    const file = join(home.path, 'my model (1).gguf');
    await cp(MINI, file);
    expect(await store.find(file)).toEqual({ id: 'my-model--1-', file });
    const known = join(home.path, 'Qwen3-8B-Q4_K_M.gguf');
    await cp(MINI, known);
    expect((await store.find(known)).id).toBe('Qwen3-8B');
  });

  it('NP29: a name that nothing is known of is a model_not_found that says where to look', async () => {
    const { store } = await setUp();
    await expect(store.find('no-such-model')).rejects.toMatchObject({
      code: 'model_not_found',
      message: expect.stringContaining('npx tabmesh models ls'),
    });
    await expect(store.find('Qwen3-8B')).rejects.toMatchObject({
      code: 'model_not_found',
      message: expect.stringContaining('npx tabmesh models pull Qwen3-8B'),
    });
    await expect(store.find('./missing.gguf')).rejects.toMatchObject({ code: 'model_not_found' });
    await expect(store.remove('../../etc/passwd')).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('NP30: a pulled model is listed, found and removed by its name', async () => {
    const { home, store } = await setUp();
    const { url } = await startFileServer(await readFile(MINI));
    const pulled = await store.pull({ source: url, signal: never() });
    expect(pulled).toMatchObject({ id: 'model', file: join(home.modelsPath, 'model.gguf') });
    expect(await store.find('model')).toMatchObject({ file: pulled.file });
    expect(await store.list()).toContainEqual(
      expect.objectContaining({ id: 'model', state: 'downloaded', sizeBytes: pulled.sizeBytes }),
    );
    await store.remove('model');
    await expect(store.find('model')).rejects.toMatchObject({ code: 'model_not_found' });
    await expect(store.remove('mesh-tiny')).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it('NP31: the list names embedded, partly downloaded and available models', async () => {
    const { home, store } = await setUp();
    await writeFile(join(home.modelsPath, 'Qwen3-8B.gguf.part'), 'half');
    const states = Object.fromEntries((await store.list()).map(({ id, state }) => [id, state]));
    expect(states).toMatchObject({ 'mesh-tiny': 'embedded', 'Qwen3-8B': 'partial', 'Llama-3.2-3B': 'available' });
  });
});

describe('hashes of weights', () => {
  it('NP32: a hash is kept until the file changes', async () => {
    const { home } = await setUp();
    const file = join(home.path, 'weights');
    const cacheFile = home.hashCacheFile;
    const hash = async () => {
      let readBytes = 0;
      const digest = await sha256OfFiles([file], { cacheFile, onProgress: (bytes) => (readBytes = bytes) });
      return { digest, readBytes };
    };
    const first = randomBytes(1000);
    await writeFile(file, first);
    const digest = createHash('sha256').update(first).digest('hex');
    expect(await hash()).toEqual({ digest, readBytes: 1000 });
    expect(await hash()).toEqual({ digest, readBytes: 0 });
    await writeFile(file, randomBytes(1000));
    await utimes(file, new Date(0), new Date(0));
    expect((await hash()).readBytes).toBe(1000);
    await writeFile(cacheFile, 'no JSON');
    expect((await hash()).readBytes).toBe(1000);
  });
});
