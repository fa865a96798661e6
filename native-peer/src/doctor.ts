/** What a native peer and an entry need of a machine, each looked at for itself, with what to do where it is missing. */
import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { CATALOG, createIdentity, fitsIn, MeshError, memoryNeededBytes, systemRandom } from '@tabmesh/shared';
import { formatBytes } from './format-bytes.ts';
import type { Home } from './home.ts';
import type { ModelStore } from './model-store.ts';

export interface Finding {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  /** What to do, when it is not ok. */
  readonly advice?: string;
}

export interface DoctorOptions {
  readonly openHome: () => Promise<Home>;
  readonly openStore: (home: Home) => ModelStore;
  readonly port: number;
}

/** In order, as they are found. */
export async function* examine({ openHome, openStore, port }: DoctorOptions): AsyncIterable<Finding> {
  yield node();
  const home = await openHome().catch((error: unknown) => error);
  if (home instanceof Error) yield { name: 'home', ok: false, detail: 'not writable', advice: home.message };
  else yield { name: 'home', ok: true, detail: (home as Home).path };
  yield memory();
  yield* await engine();
  yield await webRtc();
  yield await freePort(port);
  if (!(home instanceof Error)) yield* models(openStore(home as Home));
}

const LEAST_MEMORY_BYTES = 1e9;

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const ok = major > 20 || (major === 20 && minor >= 19);
  const detail = `${process.versions.node} on ${process.platform} ${process.arch}`;
  return ok
    ? { name: 'node', ok, detail }
    : { name: 'node', ok, detail, advice: 'Install Node 20.19 or newer from https://nodejs.org' };
}

function memory(): Finding {
  const freeBytes = process.availableMemory();
  const detail = `${formatBytes(freeBytes)} free, ${availableParallelism()} cores`;
  return freeBytes >= LEAST_MEMORY_BYTES
    ? { name: 'memory', ok: true, detail }
    : { name: 'memory', ok: false, detail, advice: 'Close other programs: only the smallest models fit.' };
}

async function engine(): Promise<readonly Finding[]> {
  const { getLlama, LlamaLogLevel } = await import('node-llama-cpp');
  const { freeMemory } = await import('./memory-fit.ts');
  try {
    const llama = await getLlama({ build: 'never', logLevel: LlamaLogLevel.disabled });
    try {
      const { total, free } = await llama.getVramState();
      const gpus = await llama.getGpuDeviceNames();
      const gpu =
        llama.gpu === false
          ? 'none that llama.cpp can use: models run on the CPU'
          : `${gpus.join(', ')} (${llama.gpu}), ${formatBytes(free)} of ${formatBytes(total)} free`;
      return [
        { name: 'llama.cpp', ok: true, detail: `${llama.llamaCppRelease.release}, ${llama.buildType}` },
        { name: 'gpu', ok: true, detail: gpu },
        fit((await freeMemory(llama)).freeBytes),
      ];
    } finally {
      await llama.dispose();
    }
  } catch (error) {
    const advice = 'Install the packages again without --omit=optional: npm ci';
    return [{ name: 'llama.cpp', ok: false, detail: textOf(error), advice }];
  }
}

/** Which models of the catalog this machine can hold now, each alone. */
function fit(freeBytes: number): Finding {
  const files = CATALOG.flatMap(({ id, gguf }) => (gguf === undefined ? [] : [{ id, sizeBytes: gguf.sizeBytes }]));
  const fitting = files.filter(({ sizeBytes }) => fitsIn(freeBytes, sizeBytes)).map(({ id }) => id);
  const tooLarge = files
    .filter(({ sizeBytes }) => !fitsIn(freeBytes, sizeBytes))
    .map(({ id, sizeBytes }) => `${id} (needs ${formatBytes(memoryNeededBytes(sizeBytes))})`);
  const detail = [
    fitting.join(', ') || 'no model',
    ...(tooLarge.length === 0 ? [] : [`too large: ${tooLarge.join(', ')}`]),
  ];
  return { name: 'fits', ok: true, detail: detail.join('; ') };
}

async function webRtc(): Promise<Finding> {
  try {
    const { createNodeTransport } = await import('@tabmesh/shared/node');
    const nobody = createIdentity(systemRandom).peerId;
    createNodeTransport()
      .open(
        { initiator: true, remote: nobody, iceServers: [] },
        { onSignal() {}, onOpen() {}, onMessage() {}, onDrain() {}, onClose() {} },
      )
      .close();
    return { name: 'webrtc', ok: true, detail: 'the native module loads and opens a connection' };
  } catch (error) {
    const advice = 'Install the packages again without --omit=optional: npm ci';
    return { name: 'webrtc', ok: false, detail: textOf(error), advice };
  }
}

async function freePort(port: number): Promise<Finding> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    return { name: 'port', ok: true, detail: `${port} is free` };
  } catch (error) {
    const advice = `Stop the other program or choose another port: PORT=${port + 1} npm start`;
    return { name: 'port', ok: false, detail: `${port}: ${textOf(error)}`, advice };
  } finally {
    server.close();
  }
}

async function* models(store: ModelStore): AsyncIterable<Finding> {
  const { checkGgufParts } = await import('./gguf-file.ts');
  for (const { id, file, state } of await store.list()) {
    if (file === null || state === 'partial') continue;
    try {
      await checkGgufParts(file);
      yield { name: 'model', ok: true, detail: `${id} (${state})` };
    } catch (error) {
      yield { name: 'model', ok: false, detail: `${id} (${state})`, advice: textOf(error) };
    }
  }
}

function textOf(error: unknown): string {
  return MeshError.is(error) || error instanceof Error ? error.message : String(error);
}
