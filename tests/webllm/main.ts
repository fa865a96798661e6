/**
 * `npm run test:webllm -- --model DIR --lib FILE`: runs a real MLC model through the real adapter in a real Chromium. Takes
 * minutes on a software adapter and needs files that no repository should hold, so it is no part of `npm test`.
 */
import { readdirSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Page } from 'playwright';
import { inPage, launchChromium, openEnginePage, SOFTWARE_GPU } from '../browser/engine-page/engine-page.ts';
import { sendBytes, serveEnginePage } from '../browser/engine-page/serve-engine-page.ts';

const USAGE = `npm run test:webllm -- --model DIR --lib FILE [options]

  --model DIR      an MLC model: mlc-chat-config.json, tensor-cache.json or ndarray-cache.json, weights, tokenizer
  --lib FILE       the model library (.wasm) that belongs to it and to the version of WebLLM
  --web-llm DIR    another installed @mlc-ai/web-llm, where the library is for an older version
  --prompt TEXT    default: Hello
  --tokens N       length of the answer; default 8
  --gpu            a graphics adapter of this machine instead of Chromium's software one`;

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    lib: { type: 'string' },
    'web-llm': { type: 'string' },
    prompt: { type: 'string', default: 'Hello' },
    tokens: { type: 'string', default: '8' },
    gpu: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) console.log(USAGE);
else if (values.model === undefined || values.lib === undefined) {
  console.log(`Skipped: there is no MLC model to run. Name one:\n\n${USAGE}`);
} else {
  process.exitCode = await run(values.model, values.lib);
}

async function run(modelFolder: string, library: string): Promise<number> {
  const server = await serveEnginePage(
    { ...modelRoutes(modelFolder), '/mlc/library.wasm': sendFile(library) },
    values['web-llm'] === undefined ? {} : { '@mlc-ai/web-llm': values['web-llm'] },
  );
  const browser = await launchChromium(...(values.gpu ? ['--enable-gpu'] : [SOFTWARE_GPU]));
  try {
    const page = await openEnginePage(browser, server.url);
    page.on('console', (message) => console.log(`  page: ${message.text()}`));
    const { webgpu } = await inPage(page, 'probeDevice');
    console.log(`Adapter: ${webgpu.adapter ?? webgpu.reason}`);

    const loadStartMs = performance.now();
    const { failure, model, progress } = await inPage(page, 'load', {
      kind: 'mlc-record',
      id: 'test-webllm',
      modelUrl: `${server.url}/mlc`,
      modelLibUrl: `${server.url}/mlc/library.wasm`,
    });
    if (failure !== undefined) throw new Error(`${failure.code}: ${failure.message}`);
    console.log(`Loaded in ${secondsSince(loadStartMs)} s, ${progress.length} steps:`, model);

    const sampled = await inPage(page, 'ask', values.prompt, Number(values.tokens), 1);
    console.log('sampled:', sampled);
    await showGreedy(page, model?.features.includes('continue') ?? false);
    const abortStartMs = performance.now();
    await inPage(page, 'abortMidway', values.prompt);
    console.log(
      `An answer was cancelled after its first token, and the next one ended, in ${secondsSince(abortStartMs)} s.`,
    );
    await inPage(page, 'close');
    return 0;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  } finally {
    await browser.close();
    await server.close();
  }
}

/** The greedy answer has to come out again, and when it is cut in the middle and gone on with too. */
async function showGreedy(page: Page, canContinue: boolean): Promise<void> {
  const messages = [{ role: 'user' as const, content: values.prompt }];
  const request = { messages, maxTokens: Number(values.tokens), temperature: 0, topP: 1, stop: [] };
  const whole = await inPage(page, 'generate', request);
  console.log('greedy:', whole);
  if (canContinue) {
    const begun = whole.pieces.slice(0, whole.pieces.length / 2);
    const text = begun.map((piece) => piece.text).join('');
    const tokenCount = begun.reduce((sum, piece) => sum + piece.tokenCount, 0);
    const maxTokens = request.maxTokens - tokenCount;
    const rest = await inPage(page, 'generate', { ...request, maxTokens, continues: { text, tokenCount } });
    console.log(
      `gone on with behind '${text}' (${text + rest.text === whole.text ? 'the same' : 'ANOTHER ONE'}):`,
      rest,
    );
  } else console.log("This model's answers can't be gone on with: see client/src/engines/webllm/mlc-prompts.ts.");
  const again = await inPage(page, 'generate', request);
  console.log(`greedy again (${again.text === whole.text ? 'the same' : 'ANOTHER ONE'}):`, again);
}

/** WebLLM looks for a model's files under `resolve/<branch>/`. */
function modelRoutes(folder: string) {
  const files = readdirSync(folder).filter((name) => statSync(join(folder, name)).isFile());
  return Object.fromEntries(files.map((name) => [`/mlc/resolve/main/${name}`, sendFile(join(folder, name))]));
}

function sendFile(file: string) {
  return async (request: IncomingMessage, response: ServerResponse) =>
    sendBytes(request, response, await readFile(file));
}

function secondsSince(startMs: number): string {
  return ((performance.now() - startMs) / 1000).toFixed(1);
}
