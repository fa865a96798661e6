/** Models in several parts: pulled, listed, found, served and removed as one. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelId } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { openHome } from '../src/home/home.ts';
import { loadLlamaEngine } from '../src/llama/load-llama-engine.ts';
import { ModelStore, type PullOptions } from '../src/models/model-store.ts';
import { MINI } from './embedded-models.ts';
import { startHubServer } from './hub-server.ts';
import { splitGguf } from './split-gguf.ts';
import { temporaryFolder } from './temporary-folder.ts';

const REPOSITORY = 'alice/Large-GGUF';
const nameOf = (index: number, count = 2) => `Large-Q8_0-0000${index}-of-0000${count}.gguf`;

async function setUp(count = 2) {
  const parts = splitGguf(await readFile(MINI), count);
  const files = Object.fromEntries(parts.map((part, index) => [nameOf(index + 1, count), part]));
  const hub = await startHubServer(REPOSITORY, files);
  const home = await openHome(join(await temporaryFolder(), 'home'));
  const store = new ModelStore({ home, embeddedPath: home.path, environment: { HF_ENDPOINT: hub.url } });
  const pull = (source: string, options: Partial<PullOptions> = {}) =>
    store.pull({ source, signal: new AbortController().signal, retryDelayMs: 0, ...options });
  const urlOf = (index: number) => `${hub.url}/${REPOSITORY}/resolve/main/${nameOf(index, count)}`;
  const here = async () => (await readdir(home.modelsPath)).sort();
  const asked = () => hub.requests.map(({ path }) => path.split('/').at(-1));
  return { parts, hub, home, store, pull, urlOf, here, asked };
}

const load = (file: string) => loadLlamaEngine({ file, slots: 1, threads: 1, gpu: 'off' });

async function greedy(file: string): Promise<string> {
  const engine = await load(file);
  try {
    const request = {
      messages: [{ role: 'user', content: 'Tell me of the sea' }],
      maxTokens: 24,
      temperature: 0,
      topP: 1,
      stop: [],
    } as const;
    let text = '';
    for await (const event of engine.generate(request, new AbortController().signal)) {
      if (event.type === 'tokens') text += event.text;
    }
    expect(text.length).toBeGreaterThan(10);
    return text;
  } finally {
    await engine.close();
  }
}

describe('pulling a model in parts', () => {
  it('NP100: the address of any part brings all under their own names, and they answer as the whole file does', async () => {
    for (const [count, named] of [
      [2, 1],
      [3, 2],
    ] as const) {
      const { parts, store, pull, urlOf, here } = await setUp(count);
      const progress: (number | null)[] = [];
      const pulled = await pull(urlOf(named), { onProgress: ({ totalBytes }) => progress.push(totalBytes) });
      const totalBytes = parts.reduce((sum, { length }) => sum + length, 0);
      expect(pulled).toMatchObject({ id: 'Large-Q8_0', isNew: true, sizeBytes: totalBytes });
      expect(progress[0]).toBe(totalBytes);
      expect(await here()).toEqual(parts.map((_, index) => nameOf(index + 1, count)));
      expect(await store.find('large-q8_0')).toEqual({ id: 'Large-Q8_0', file: pulled.file });
      expect(await greedy(pulled.file)).toBe(await greedy(MINI));
    }
  });

  it('NP100: a repository of the hub and its quantisation are pulled in all their parts', async () => {
    const { store, pull, here } = await setUp();
    expect(await pull(REPOSITORY)).toMatchObject({ id: 'Large-Q8_0' });
    expect(await here()).toEqual([nameOf(1), nameOf(2)]);
    expect((await store.find(`${REPOSITORY}:q8_0`)).id).toBe('Large-Q8_0');
    expect(await pull(`${REPOSITORY}:Q8_0`)).toMatchObject({ isNew: false });
  });

  it('NP101: a pull goes on at the part where the last one stopped, and fetches none twice', async () => {
    const { parts, hub, store, pull, urlOf, here, asked } = await setUp();
    const second = hub.files.get(nameOf(2)) ?? Buffer.alloc(0);
    hub.files.set(nameOf(2), Buffer.from('<html>Come back later</html>'));
    await expect(pull(urlOf(1))).rejects.toMatchObject({ code: 'model_invalid' });
    expect(await here()).toEqual([nameOf(1)]);
    expect(await store.list()).toContainEqual(
      expect.objectContaining({ id: 'Large-Q8_0', state: 'partial', sizeBytes: parts[0]?.length }),
    );
    await expect(store.find('Large-Q8_0')).rejects.toMatchObject({
      code: 'model_not_found',
      message: `Large-Q8_0 has 2 parts, of which ${nameOf(2)} is missing. Pull it again, and only those are fetched: npx tabmesh models pull ${urlOf(1)}`,
    });
    hub.files.set(nameOf(2), second);
    hub.requests.length = 0;
    expect(await pull(urlOf(1))).toMatchObject({ isNew: true });
    expect(new Set(asked())).toEqual(new Set([nameOf(2)]));
    expect(await store.list()).toContainEqual(expect.objectContaining({ id: 'Large-Q8_0', state: 'downloaded' }));
  });

  it('NP101: a part that the server does not have is named before the first byte comes', async () => {
    const { hub, pull, urlOf, here } = await setUp(3);
    hub.files.delete(nameOf(3, 3));
    await expect(pull(urlOf(1))).rejects.toMatchObject({
      code: 'download_failed',
      message: expect.stringContaining(`${nameOf(3, 3)} can't be downloaded`),
    });
    await expect(pull(REPOSITORY)).rejects.toMatchObject({
      code: 'model_not_found',
      message: expect.stringContaining(`${nameOf(3, 3)} is missing`),
    });
    expect(await here()).toEqual([]);
  });

  it('NP102: each part has its own SHA-256', async () => {
    const { parts, pull, urlOf, here } = await setUp();
    const hashes = parts.map((part) => createHash('sha256').update(part).digest('hex'));
    await expect(pull(urlOf(1), { sha256: hashes[0] })).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('2 parts'),
    });
    await expect(pull(urlOf(1), { sha256: `${hashes[0]},${'0'.repeat(64)}` })).rejects.toMatchObject({
      code: 'checksum_mismatch',
    });
    expect(await here()).toEqual([nameOf(1)]);
    expect(await pull(urlOf(1), { sha256: hashes.join(',') })).toMatchObject({
      verified: true,
      sha256: hashes.join(','),
    });
  });

  it('NP103: a name that it is given is that of all parts, they are removed together, and never mixed with others', async () => {
    const { home, store, pull, urlOf, here } = await setUp();
    const name = ModelId.parse('mine');
    const pulled = await pull(urlOf(1), { name });
    expect(await here()).toEqual(['mine-00001-of-00002.gguf', 'mine-00002-of-00002.gguf']);
    expect((await store.find('mine')).file).toBe(pulled.file);
    expect(await greedy(pulled.file)).toBe(await greedy(MINI));
    await rm(join(home.modelsPath, 'mine-00002-of-00002.gguf'));
    await writeFile(join(home.modelsPath, 'mine-00002-of-00002.gguf.part'), 'half');
    await store.remove('mine');
    expect(await here()).toEqual([]);
    await writeFile(join(home.modelsPath, 'mine.gguf'), 'GGUF of another');
    await expect(pull(urlOf(1), { name })).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('models rm mine'),
    });
    await expect(pull(urlOf(1), { name: ModelId.parse('mine-00001-of-00002') })).rejects.toMatchObject({
      code: 'invalid_request',
    });
  });

  it('NP101: a first part that an older TabMesh took for the whole model is not fetched again', async () => {
    const { home, store, pull, urlOf, here, asked, hub } = await setUp();
    await pull(urlOf(1));
    // As it was left: one part, under the name of the model.
    const lone = join(home.modelsPath, 'Large-Q8_0.gguf');
    await rename(join(home.modelsPath, nameOf(1)), lone);
    await rm(join(home.modelsPath, nameOf(2)));
    const records = await readFile(home.downloadsFile, 'utf8');
    await writeFile(home.downloadsFile, records.replaceAll('Large-Q8_0-00001-of-00002"', 'Large-Q8_0"'));
    await expect(load(lone)).rejects.toMatchObject({ message: expect.stringContaining('part 1 of 2') });
    hub.requests.length = 0;
    await pull(urlOf(1));
    expect(await here()).toEqual([nameOf(1), nameOf(2)]);
    expect(new Set(asked())).toEqual(new Set([nameOf(2)]));
    expect((await store.find('Large-Q8_0')).file).toBe(join(home.modelsPath, nameOf(1)));
  });
});

describe('parts in a folder', () => {
  async function folderOf(count: number) {
    const folder = join(await temporaryFolder(), 'models');
    await mkdir(folder);
    const parts = splitGguf(await readFile(MINI), count);
    const fileOf = (index: number) => join(folder, nameOf(index, count));
    for (const [index, part] of parts.entries()) await writeFile(fileOf(index + 1), part);
    const home = await openHome(join(folder, 'home'));
    return { parts, fileOf, store: new ModelStore({ home, embeddedPath: folder }) };
  }

  it('NP104: whichever part is named, the model is served with all of them', async () => {
    const { fileOf, store } = await folderOf(2);
    expect(await store.find(fileOf(2))).toEqual({ id: 'Large-Q8_0', file: fileOf(1) });
    expect(await greedy(fileOf(2))).toBe(await greedy(MINI));
  });

  it('NP104: parts that are missing, cut off or of another model are named', async () => {
    const { parts, fileOf } = await folderOf(3);
    const refused = (text: string) =>
      expect(load(fileOf(1))).rejects.toMatchObject({ code: 'model_invalid', message: expect.stringContaining(text) });
    await writeFile(fileOf(2), (parts[1] ?? Buffer.alloc(0)).subarray(0, -5000));
    await refused(`${nameOf(2, 3)} is cut off`);
    await writeFile(fileOf(2), parts[2] ?? '');
    await refused(`${nameOf(2, 3)} is part 3 of 3 of a split model`);
    await rm(fileOf(2));
    await refused(`is one of 3 parts, and ${nameOf(2, 3)} is missing in`);
    await rm(fileOf(3));
    await refused(`${nameOf(2, 3)} and ${nameOf(3, 3)} are missing in`);
  });
});
