/** The page half of the browser engine tests: the engines exactly as the web app loads them, results as plain data. */
import { type Engine, type GenerationRequest, MeshError, type Usage } from '@tabmesh/shared';
import {
  claimEngineLock,
  expectationsOf,
  type LoadProgress,
  loadEngine,
  type ModelSource,
  modelOffers,
  probeDevice,
  SpeedBook,
} from '../../../client/src/engines/index.ts';
import { measureGpuSpeed } from '../../../client/src/engines/speed/gpu-speed.ts';
import { type EngineSubject, engineContract } from '../../../shared/src/testing/engine-contract.ts';
import { featureContract } from '../../../shared/src/testing/engine-feature-contract.ts';

export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface LoadOutcome {
  readonly failure?: Failure;
  readonly model?: Engine['model'];
  readonly progress: readonly LoadProgress[];
}

export interface CaseOutcome {
  readonly rule: string;
  readonly title: string;
  readonly failure?: string;
}

interface LoadSettings {
  readonly slots?: number;
  readonly threads?: number;
  /** Cancels with the first sign of life, or with the first bytes of a phase. */
  readonly cancelIn?: LoadProgress['phase'] | 'start';
}

let engine: Engine | undefined;
let releaseLock: (() => void) | undefined;

/** Replaces the engine of the page. */
async function load(source: ModelSource, settings: LoadSettings = {}): Promise<LoadOutcome> {
  await engine?.close();
  engine = undefined;
  const progress: LoadProgress[] = [];
  const abort = new AbortController();
  try {
    engine = await loadEngine(source, {
      slots: settings.slots ?? 2,
      threads: settings.threads ?? 1,
      signal: abort.signal,
      onProgress(step) {
        progress.push(step);
        if (settings.cancelIn === 'start') abort.abort();
        if (step.phase === settings.cancelIn && step.loadedBytes > 0) abort.abort();
      },
    });
    return { model: engine.model, progress };
  } catch (error) {
    return { failure: failureOf(error), progress };
  }
}

/** A file as a person picks it: fetched here, cut to `bytes`. */
async function loadFile(url: string, name: string, bytes?: number): Promise<LoadOutcome> {
  const blob = await (await fetch(url)).blob();
  return load({ kind: 'gguf-file', file: new File([blob.slice(0, bytes)], name) });
}

async function contract(
  subject: Omit<EngineSubject, 'engine'>,
  part: 'whole' | 'without features' = 'whole',
): Promise<CaseOutcome[]> {
  const outcomes: CaseOutcome[] = [];
  const cases = engineContract.filter((one) => part === 'whole' || !featureContract.includes(one));
  for (const { rule, title, run } of cases) {
    if (engine === undefined) throw new Error('No engine is loaded.');
    try {
      await run({ engine, ...subject });
      outcomes.push({ rule, title });
    } catch (error) {
      outcomes.push({ rule, title, failure: error instanceof Error ? error.message : String(error) });
    }
  }
  return outcomes;
}

export interface Generated {
  readonly text: string;
  /** The events that it came in. */
  readonly pieces: readonly { readonly text: string; readonly tokenCount: number }[];
  readonly usage?: Usage;
  readonly failure?: Failure;
}

/** What came of a request, and how it ended. */
async function generate(request: GenerationRequest): Promise<Generated> {
  let text = '';
  const pieces: { text: string; tokenCount: number }[] = [];
  try {
    if (engine === undefined) throw new Error('No engine is loaded.');
    for await (const event of engine.generate(request, new AbortController().signal)) {
      if (event.type === 'end') return { text, pieces, usage: event.usage };
      text += event.text;
      pieces.push({ text: event.text, tokenCount: event.tokenCount });
    }
    return { text, pieces };
  } catch (error) {
    return { text, pieces, failure: failureOf(error) };
  }
}

async function ask(content: string, maxTokens: number, temperature = 0) {
  if (engine === undefined) throw new Error('No engine is loaded.');
  const startMs = performance.now();
  let firstMs = 0;
  let text = '';
  const request = { messages: [{ role: 'user' as const, content }], maxTokens, temperature, topP: 1, stop: [] };
  for await (const event of engine.generate(request, new AbortController().signal)) {
    if (event.type === 'end') {
      const { completionTokens } = event.usage;
      const decodeMs = performance.now() - startMs - firstMs;
      return { text, usage: event.usage, ttftMs: firstMs, tokensPerSecond: ((completionTokens - 1) * 1000) / decodeMs };
    }
    if (text === '') firstMs = performance.now() - startMs;
    text += event.text;
  }
  throw new Error('The answer has no end.');
}

/** Cancels an answer at its first token; the next one then has to wait for the slot only. */
async function abortMidway(content: string): Promise<void> {
  if (engine === undefined) throw new Error('No engine is loaded.');
  const abort = new AbortController();
  const request = { messages: [{ role: 'user' as const, content }], maxTokens: 100, temperature: 0, topP: 1, stop: [] };
  try {
    for await (const event of engine.generate(request, abort.signal)) if (event.type === 'tokens') abort.abort();
    throw new Error('The answer ended although it was cancelled.');
  } catch (error) {
    if (!MeshError.is(error, 'cancelled')) throw error;
  }
  await ask(content, 1);
}

/** Puts something else where WebLLM keeps a file. */
async function plantInCache(cacheName: string, url: string, content: string): Promise<void> {
  await (await caches.open(cacheName)).put(url, new Response(content));
}

async function isCached(url: string): Promise<boolean> {
  return (await caches.match(url)) !== undefined;
}

async function claimLock(): Promise<boolean> {
  releaseLock = await claimEngineLock();
  return releaseLock !== undefined;
}

function failureOf(error: unknown): Failure {
  if (MeshError.is(error)) return { code: error.code, message: error.message, details: error.details };
  return { code: 'not a MeshError', message: String(error), details: {} };
}

async function measureGpu() {
  const began = performance.now();
  const speed = await measureGpuSpeed();
  return { speed, tookMs: performance.now() - began };
}

/** Twice with one book, as two visits of one page. */
async function expectations(entryUrl: string) {
  let text: string | undefined;
  const store = {
    read: () => text,
    write(written: string) {
      text = written;
    },
  };
  const report = await probeDevice();
  const visit = async () => {
    const began = performance.now();
    const options = { book: new SpeedBook(store), wallMs: () => Date.now() };
    const expected = await expectationsOf(report, options);
    return { expected, tookMs: performance.now() - began };
  };
  const [first, second] = [await visit(), await visit()];
  return { first, second, offers: await modelOffers(report, entryUrl, second.expected) };
}

const functions = {
  measureGpu,
  expectations,
  load,
  loadFile,
  contract,
  generate,
  ask,
  abortMidway,
  plantInCache,
  isCached,
  claimLock,
  releaseLock: () => releaseLock?.(),
  probeDevice,
  modelOffers,
  close: () => engine?.close(),
};
export type EngineTests = typeof functions;

declare global {
  var engineTests: EngineTests | undefined;
}
globalThis.engineTests = functions;
