/** What a native peer and an entry need of a machine, each looked at for itself, with what to do where it is missing. */
import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { CATALOG, createIdentity, fitsIn, MeshError, memoryNeededBytes, systemRandom } from '@tabmesh/shared';
import { typedReinstallation } from '@tabmesh/shared/setup/install-command';
import { wrongNode } from '@tabmesh/shared/setup/node-version';
import type { Home } from '../home/home.ts';
import { repository } from '../home/repository.ts';
import { HEALTH_PATIENCE_MS, LEAST_MEMORY_BYTES } from '../limits.ts';
import { mayHaveGpu } from '../llama/gpu-device.ts';
import { missingLlama } from '../llama/missing-llama.ts';
import { formatBytes } from '../models/format-bytes.ts';
import type { ModelStore } from '../models/model-store.ts';

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

function node(): Finding {
  const wrong = wrongNode(process.versions.node);
  const detail = `${process.versions.node} on ${process.platform} ${process.arch}`;
  return wrong === undefined ? { name: 'node', ok: true, detail } : { name: 'node', ok: false, detail, advice: wrong };
}

function memory(): Finding {
  const freeBytes = process.availableMemory();
  const detail = `${formatBytes(freeBytes)} free, ${availableParallelism()} cores`;
  return freeBytes >= LEAST_MEMORY_BYTES
    ? { name: 'memory', ok: true, detail }
    : { name: 'memory', ok: false, detail, advice: 'Close other programs: only the smallest models fit.' };
}

async function engine(): Promise<readonly Finding[]> {
  const missing = missingLlama();
  if (missing !== undefined) return [{ name: 'llama.cpp', ok: false, detail: 'not installed', advice: missing }];
  const { getLlama, LlamaLogLevel } = await import('node-llama-cpp');
  const { freeMemory } = await import('../llama/memory-fit.ts');
  try {
    const llama = await getLlama({
      build: 'never',
      gpu: mayHaveGpu() ? 'auto' : false,
      logLevel: LlamaLogLevel.disabled,
    });
    try {
      const found = { library: llama.gpu, names: await llama.getGpuDeviceNames(), ...(await llama.getVramState()) };
      return [
        { name: 'llama.cpp', ok: true, detail: `${llama.llamaCppRelease.release}, ${llama.buildType}` },
        { name: 'gpu', ok: true, detail: gpuWords(found) },
        fit((await freeMemory(llama)).freeBytes),
      ];
    } finally {
      await llama.dispose();
    }
  } catch (error) {
    return [{ name: 'llama.cpp', ok: false, detail: textOf(error), advice: reinstallAdvice() }];
  }
}

export interface FoundGpu {
  readonly library: string | false;
  readonly names: readonly string[];
  readonly total: number;
  readonly free: number;
}

/** Without memory of its own it is a renderer that the CPU plays, and llama.cpp leaves it alone. */
export function gpuWords({ library, names, total, free }: FoundGpu): string {
  if (library === false || total === 0) return 'no GPU: the CPU is used';
  return `${names.join(', ')} (${library}), ${formatBytes(free)} of ${formatBytes(total)} free`;
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
    return { name: 'webrtc', ok: false, detail: textOf(error), advice: reinstallAdvice() };
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
    const own = await tabmeshAt(port);
    if (own !== undefined) return { name: 'port', ok: true, detail: `${port}: TabMesh ${own} runs there already` };
    const advice = `Stop the other program or choose another port: PORT=${port + 1} npm start`;
    return { name: 'port', ok: false, detail: `${port}: ${textOf(error)}`, advice };
  } finally {
    server.close();
  }
}

/** The version of the TabMesh that listens there; undefined when it is another program. */
async function tabmeshAt(port: number): Promise<string | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/healthz`, {
      signal: AbortSignal.timeout(HEALTH_PATIENCE_MS),
    });
    const health: { name?: unknown; version?: unknown } = await response.json();
    return health.name === 'tabmesh' ? String(health.version) : undefined;
  } catch {
    return undefined;
  }
}

async function* models(store: ModelStore): AsyncIterable<Finding> {
  const { checkGgufParts } = await import('../models/gguf-file.ts');
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

function reinstallAdvice(): string {
  const way = repository.root === undefined ? 'npm ci --include=optional' : typedReinstallation(repository.root);
  return `Install the packages again: ${way}`;
}

function textOf(error: unknown): string {
  return MeshError.is(error) || error instanceof Error ? error.message : String(error);
}
