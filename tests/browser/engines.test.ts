/** The browser engines in a real Chromium: wllama on the embedded model, and everything that can go wrong while loading. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { classIdOf } from '@tabmesh/shared';
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gotoEnginePage, inPage, launchChromium, openEnginePage, SOFTWARE_GPU } from './engine-page/engine-page.ts';
import { type EnginePageServer, embeddedModels, sendBytes, serveEnginePage } from './engine-page/serve-engine-page.ts';

const tiny = readFileSync(join(embeddedModels, 'mesh-tiny.gguf'));
const mini = readFileSync(join(embeddedModels, 'mesh-mini.gguf'));
const storyPrompt = 'Tell me a story about a fox and a bear.';
const prompts = ['What is the mesh?', 'What does the router measure?', 'Count to ten.'];
/** Of mesh-tiny; its answer to the story prompt begins with the token of this number. */
const subject = { longPrompt: storyPrompt, prompts, firstTokenId: 537 };

let server: EnginePageServer;
let browser: Browser;
let slowDownloadEnded = () => {};
const slowDownload = new Promise<void>((resolve) => {
  slowDownloadEnded = resolve;
});

beforeAll(async () => {
  server = await serveEnginePage({
    '/faults/truncated.gguf': send(tiny.subarray(0, 3_000_000)),
    '/faults/cut-by-little.gguf': send(tiny.subarray(0, tiny.length - 100)),
    '/faults/error-page.gguf': send(Buffer.from('<html>Please sign in</html>')),
    '/faults/damaged-head.gguf': send(damaged(tiny, 2_000, 2_000)),
    '/faults/another-model.gguf': send(mini),
    '/faults/broken-off.gguf': (_, response) => {
      response.writeHead(200, { 'content-length': tiny.length });
      response.write(tiny.subarray(0, 1_000_000), () => response.destroy());
    },
    '/faults/huge.gguf': (_, response) => {
      response.writeHead(200, { 'content-length': 3_000_000_000 });
      response.write(tiny.subarray(0, 1_000_000));
    },
    '/faults/slow.gguf': (request, response) => {
      response.writeHead(200, { 'content-length': tiny.length });
      if (request.method === 'HEAD') return void response.end();
      // A first part, and then nothing: whoever wants to leave has to cancel.
      response.write(tiny.subarray(0, 1_000_000));
      response.on('close', slowDownloadEnded);
    },
    '/mlc/no-json/resolve/main/mlc-chat-config.json': send(Buffer.from('<html>')),
    '/mlc/model/resolve/main/mlc-chat-config.json': sendJson(mlcConfig('q4f32_1')),
    '/mlc/model/resolve/main/ndarray-cache.json': sendJson(mlcWeights),
    '/mlc/half/resolve/main/mlc-chat-config.json': sendJson(mlcConfig('q4f16_1')),
    '/mlc/half/resolve/main/tensor-cache.json': sendJson(mlcWeights),
    // A module that asks for a function which no WebLLM has.
    '/mlc/foreign.wasm': send(
      Buffer.from([0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 2, 7, 1, 1, 97, 1, 98, 0, 0]),
    ),
  });
  browser = await launchChromium();
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

describe('wllama in Chromium', () => {
  let page: Page;
  beforeAll(async () => {
    page = await openEnginePage(browser, server.url);
  });

  it('EN30: the embedded model loads with progress, is of the same class as for llama.cpp, and says what runs it', async () => {
    const { failure, model, progress } = await inPage(page, 'load', meshTiny());

    expect(failure).toBeUndefined();
    expect(model).toMatchObject({
      id: 'mesh-tiny',
      family: 'llama.cpp',
      backend: 'wllama · WebAssembly, 1 thread',
      contextTokens: 1024,
      slots: 2,
      sizeBytes: tiny.length,
      features: ['seed', 'json', 'logit-bias', 'continue', 'logprobs', 'embeddings'],
      classId: classIdOf({
        weightsSha256: sha256(tiny),
        quantization: '7',
        family: 'llama.cpp',
        templateSha256: sha256(Buffer.from(meshTinyTemplate())),
      }),
    });
    expect(new Set(progress.map(({ phase }) => phase))).toEqual(new Set(['download', 'check', 'load', 'warm-up']));
    expect(progress.findLast(({ phase }) => phase === 'download')).toMatchObject({ loadedBytes: tiny.length });
  });

  it('EN1–EN18: it keeps the engine contract', async () => {
    const outcomes = await inPage(page, 'contract', subject);

    expect(outcomes.filter(({ failure }) => failure !== undefined)).toEqual([]);
    expect(outcomes.length).toBeGreaterThan(15);
  });

  it('EN31: a second load asks the network for nothing', async () => {
    const { failure } = await inPage(page, 'load', meshTiny());

    expect(failure).toBeUndefined();
    expect(server.downloads('/models/mesh-tiny.gguf')).toBe(1);
    expect((await inPage(page, 'ask', 'What is the mesh?', 60)).text).toContain('browser tabs');
  });

  it('EN116: halves of characters that a bias forces cost only the answer that asked for them', async () => {
    const question = { messages: [{ role: 'user' as const, content: storyPrompt }], maxTokens: 24, topP: 1, stop: [] };
    // The first two bytes of a character in more bytes than it needs.
    const forced = { ...question, temperature: 1, seed: 2, logitBias: { 229: 100, 133: 99.9 } };
    const plain = { ...question, temperature: 0 };
    const [before, during, after] = await Promise.all([
      inPage(page, 'generate', plain),
      inPage(page, 'generate', forced),
      inPage(page, 'generate', plain),
    ]);

    expect(during.failure).toMatchObject({ code: 'unsupported' });
    expect(before.failure).toBeUndefined();
    expect(after).toEqual(before);
  });

  it('EN32: a file that a person picks loads under its own name', async () => {
    const { model } = await inPage(page, 'loadFile', '/models/mesh-mini.gguf', 'My model (v2).gguf');
    expect(model).toMatchObject({ id: 'My-model-v2-', sizeBytes: mini.length });
  });

  it('EN33: one slot answers one request after the other', async () => {
    await inPage(page, 'load', meshTiny(), { slots: 1 });
    const outcomes = await inPage(page, 'contract', subject, 'without features');

    expect(outcomes.filter(({ failure }) => failure !== undefined)).toEqual([]);
  });

  it('EN34: threads are used where the page is isolated', async () => {
    const { model } = await inPage(page, 'load', meshTiny(), { threads: 2 });
    expect(model?.backend).toBe('wllama · WebAssembly, 2 threads');
  });

  it.each([
    ['truncated', 'model_invalid', 'truncated'],
    ['cut-by-little', 'model_invalid', 'Download it again'],
    ['error-page', 'model_invalid', 'not a GGUF'],
    ['damaged-head', 'model_invalid', 'Download it again'],
    ['missing', 'download_failed', 'HTTP 404'],
    ['broken-off', 'download_failed', 'broke off'],
    ['huge', 'out_of_memory', '2 GB'],
  ])('EN35: a %s file is refused as %s with a sentence', async (name, code, sentence) => {
    const url = `${server.url}/faults/${name}.gguf`;
    const { failure } = await inPage(page, 'load', { kind: 'gguf-url', id: 'faulty', url });

    expect(failure).toMatchObject({ code, message: expect.stringContaining(sentence) });
    expect(failure?.message).toMatch(/\.$/);
  });

  it('EN36: a model of the catalogue whose checksum differs is fetched once more and then refused', async () => {
    const url = `${server.url}/faults/another-model.gguf`;
    const { failure } = await inPage(page, 'load', { kind: 'gguf-url', id: 'mesh-tiny', url });

    expect(failure?.code).toBe('checksum_mismatch');
    expect(server.downloads('/faults/another-model.gguf')).toBe(2);
  });

  it('EN37: cancelling a download ends it at once, at the server too, and the same model loads afterwards', async () => {
    const slow = { kind: 'gguf-url' as const, id: 'slow', url: `${server.url}/faults/slow.gguf` };
    const { failure } = await inPage(page, 'load', slow, { cancelIn: 'download' });
    await slowDownload;

    expect(failure?.code).toBe('cancelled');
    expect((await inPage(page, 'load', meshTiny())).failure).toBeUndefined();
  });

  it('EN38: a WebAssembly file that is not there is told, instead of waiting for ever', async () => {
    const other = await openEnginePage(browser, server.url);
    await other.route('**/*.wasm', (route) => route.fulfill({ status: 404 }));
    const { failure } = await inPage(other, 'load', meshTiny());

    expect(failure).toMatchObject({ code: 'download_failed', message: expect.stringContaining('wllama') });
    await other.context().close();
  });

  it('EN29: a disk without room is told, and what came is not kept', async () => {
    const other = await openEnginePage(browser, server.url);
    const devtools = await other.context().newCDPSession(other);
    await devtools.send('Storage.overrideQuotaForOrigin', { origin: server.url, quotaSize: 2_000_000 });
    const { failure } = await inPage(other, 'load', meshTiny());

    expect(failure).toMatchObject({ code: 'download_failed', message: expect.stringContaining('no room') });
    const { storageFreeBytes } = await inPage(other, 'probeDevice');
    expect(storageFreeBytes).toBeGreaterThan(1_900_000);
    await other.context().close();
  });

  it('EN39: only one tab of a profile holds the engine lock, until it lets go or is closed', async () => {
    const other = await gotoEnginePage(await page.context().newPage(), server.url);

    expect(await inPage(page, 'claimLock')).toBe(true);
    expect(await inPage(other, 'claimLock')).toBe(false);
    await inPage(page, 'releaseLock');
    expect(await inPage(other, 'claimLock')).toBe(true);
    await other.close();
    await expect.poll(() => inPage(page, 'claimLock')).toBe(true);
  });
});

describe('wllama on a page without https', () => {
  it('EN45: without storage, GPU and threads a model still answers, from memory', async () => {
    const insecure = await launchChromium('--host-resolver-rules=MAP mesh.test 127.0.0.1');
    const url = server.url.replace('127.0.0.1', 'mesh.test');
    const page = await openEnginePage(insecure, url);
    const report = await inPage(page, 'probeDevice');
    const { failure, model } = await inPage(page, 'load', {
      kind: 'gguf-url',
      id: 'mesh-tiny',
      url: `${url}/models/mesh-tiny.gguf`,
    });

    expect(report).toMatchObject({ crossOriginIsolated: false, storageFreeBytes: null });
    expect(report.webgpu).toMatchObject({ available: false, reason: expect.stringContaining('https') });
    expect(failure).toBeUndefined();
    expect(model?.backend).toBe('wllama · WebAssembly, 1 thread');
    expect(await inPage(page, 'claimLock')).toBe(true);
    await insecure.close();
  });
});

describe('WebLLM without an adapter', () => {
  it('EN46: is refused before anything is downloaded, with the way out', async () => {
    const page = await openEnginePage(browser, server.url);
    const { failure } = await inPage(page, 'load', record('model'));

    expect(failure).toMatchObject({ code: 'unsupported', message: expect.stringContaining('GGUF') });
    expect(server.downloads('/mlc/model/resolve/main/mlc-chat-config.json')).toBe(0);
    const offers = await inPage(page, 'modelOffers', await inPage(page, 'probeDevice'), server.url);
    expect(offers.every(({ engine }) => engine === 'wllama')).toBe(true);
  });
});

describe('the speed of this device', () => {
  it('EN171: without a GPU the cores are measured once, and each offer that fits has its expected rate', async () => {
    const page = await openEnginePage(browser, server.url);
    const { first, second, offers } = await inPage(page, 'expectations', server.url);

    expect(first.expected.gpu).toBeUndefined();
    expect(first.expected.cpu.speed.memoryBytesPerSecond).toBeGreaterThan(1e8);
    expect(first.tookMs).toBeLessThan(2000);
    expect(second.expected).toEqual(first.expected);
    expect(second.tookMs).toBeLessThan(50);
    expect(offers.filter(({ fits }) => fits).every(({ expected }) => (expected?.tokensPerSecond ?? 0) > 0)).toBe(true);
    expect(offers.find(({ recommended }) => recommended)?.atChatSpeed).toBe(true);
  });

  it('EN170: two small shaders tell how fast an adapter reads memory and computes', async () => {
    const withGpu = await launchChromium(SOFTWARE_GPU);
    const page = await openEnginePage(withGpu, server.url);
    const { speed, tookMs } = await inPage(page, 'measureGpu');

    expect(speed?.memoryBytesPerSecond).toBeGreaterThan(1e7);
    expect(speed?.memoryBytesPerSecond).toBeLessThan(1e12);
    expect(speed?.operationsPerSecond).toBeGreaterThan(1e7);
    expect(speed?.operationsPerSecond).toBeLessThan(1e13);
    expect(tookMs).toBeLessThan(2000);
    await withGpu.close();
  });

  it('EN171: an adapter that is not there is not measured', async () => {
    const page = await openEnginePage(browser, server.url);

    expect((await inPage(page, 'measureGpu')).speed).toBeUndefined();
  });
});

describe('WebLLM with a software adapter', () => {
  let withGpu: Browser;
  let page: Page;
  beforeAll(async () => {
    withGpu = await launchChromium(SOFTWARE_GPU);
    page = await openEnginePage(withGpu, server.url);
  });
  afterAll(() => withGpu?.close());

  it('EN47: the device report shows the adapter, that it is slow, and no half floats', async () => {
    const { webgpu } = await inPage(page, 'probeDevice');

    expect(webgpu).toMatchObject({ available: true, reason: expect.stringContaining('software') });
    expect(webgpu.adapter).toContain('swiftshader');
    expect(webgpu.features).not.toContain('shader-f16');
    expect(webgpu.maxBufferBytes).toBeGreaterThan(1e8);
  });

  it('EN48: WebLLM’s own list is offered, and none of it fits a software adapter', async () => {
    const offers = await inPage(page, 'modelOffers', await inPage(page, 'probeDevice'), server.url);
    const webllm = offers.filter(({ engine }) => engine === 'webllm');

    expect(webllm.length).toBeGreaterThan(80);
    expect(webllm.every(({ fits, reason }) => !fits && reason !== undefined)).toBe(true);
    expect(offers.filter(({ recommended }) => recommended).map(({ id }) => id)).toEqual(['mesh-tiny']);
  });

  it('EN49: wllama runs on the CPU there, and says so', async () => {
    const { model } = await inPage(page, 'load', meshTiny());
    expect(model?.backend).toBe('wllama · WebAssembly, 1 thread');
  });

  it.each([
    ['a model in half precision of the list', () => prebuilt('Qwen3-0.6B-q4f16_1-MLC'), 'unsupported'],
    ['a model that is not in the list', () => prebuilt('nothing-MLC'), 'invalid_request'],
    ['a model in half precision of one’s own', () => record('half'), 'unsupported'],
    ['an address without a model', () => record('nowhere'), 'download_failed'],
    ['an address with something else', () => record('no-json'), 'model_invalid'],
    ['a library that is not there', () => record('model', 'missing.wasm'), 'download_failed'],
    ['a library of another version', () => record('model', 'foreign.wasm'), 'model_invalid'],
  ])('EN56: %s is refused with a sentence', async (_, source, code) => {
    const { failure } = await inPage(page, 'load', source());

    expect(failure?.code).toBe(code);
    expect(failure?.message).toMatch(/\.$/);
    if (code === 'download_failed') expect(failure?.message).toContain(server.url);
    expect(await inPage(page, 'isCached', `${server.url}/mlc/foreign.wasm`)).toBe(false);
  });

  it('EN57: a part that broke off is removed from the cache, and the next load fetches it again', async () => {
    const shard = `${server.url}/mlc/model/resolve/main/params_shard_0.bin`;
    await inPage(page, 'plantInCache', 'webllm/model', shard, 'only a piece of it');
    const { failure } = await inPage(page, 'load', record('model', 'foreign.wasm'));

    expect(failure).toMatchObject({ code: 'download_failed', message: expect.stringContaining('again') });
    expect(await inPage(page, 'isCached', shard)).toBe(false);
  });

  it('EN58: cancelling a load ends it, and the page can load another model', async () => {
    const { failure } = await inPage(page, 'load', record('model', 'foreign.wasm'), { cancelIn: 'start' });

    expect(failure?.code).toBe('cancelled');
    expect((await inPage(page, 'load', meshTiny())).failure).toBeUndefined();
  });
});

function meshTiny() {
  return { kind: 'gguf-url' as const, id: 'mesh-tiny', url: `${server.url}/models/mesh-tiny.gguf` };
}

function prebuilt(mlcId: string) {
  return { kind: 'mlc-prebuilt' as const, mlcId };
}

/** A model and a library of one's own; with the library of another version when none is named. */
function record(model: string, library = 'foreign.wasm') {
  return {
    kind: 'mlc-record' as const,
    id: 'own-model',
    modelUrl: `${server.url}/mlc/${model}`,
    modelLibUrl: `${server.url}/mlc/${library}`,
  };
}

function mlcConfig(quantization: string) {
  return { model_type: 'llama', quantization, context_window_size: 2048, conv_template: { name: 'chatml' } };
}

const mlcWeights = { metadata: {}, records: [{ dataPath: 'params_shard_0.bin', nbytes: 1_000_000, records: [] }] };

function send(bytes: Uint8Array) {
  return (request: IncomingMessage, response: ServerResponse) => sendBytes(request, response, bytes);
}

function sendJson(value: object) {
  return send(Buffer.from(JSON.stringify(value)));
}

function damaged(file: Buffer, from: number, count: number): Buffer {
  return Buffer.concat([file.subarray(0, from), Buffer.alloc(count, 0xff), file.subarray(from + count)]);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Read by another reader than the one under test. */
function meshTinyTemplate(): string {
  const key = Buffer.from('tokenizer.chat_template');
  const at = tiny.indexOf(key) + key.length + 4;
  const length = Number(tiny.readBigUInt64LE(at));
  return tiny.toString('utf8', at + 8, at + 8 + length);
}
