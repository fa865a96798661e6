/** Engines without models, for looking at the Contribute page: they load slowly and answer nothing. */
import { ClassId, type Engine, MeshError, ModelId, pause, systemClock } from '@tabmesh/shared';
import type { Engines } from '../lend/contribution.svelte.ts';

const GIGABYTE = 1e9;

export const scriptedEngines: Engines = {
  async probeDevice() {
    return {
      webgpu: {
        available: true,
        adapter: 'Apple M2 · metal-3',
        features: ['shader-f16', 'subgroups', 'timestamp-query'],
        maxBufferBytes: 4 * GIGABYTE,
      },
      memoryBytes: 8 * GIGABYTE,
      threads: 8,
      crossOriginIsolated: true,
      storageFreeBytes: 42 * GIGABYTE,
    };
  },
  async modelOffers() {
    const offer = (id: string, sizeBytes: number, recommended = false, reason?: string) => ({
      id,
      label: `${id} · GGUF`,
      source: {
        kind: 'gguf-url' as const,
        id,
        url: `/models/${id}.gguf`,
        sizeBytes,
      },
      engine: 'wllama' as const,
      sizeBytes,
      fits: reason === undefined,
      recommended,
      ...(reason !== undefined && { reason }),
    });
    return [
      offer('mesh-tiny', 5_620_864, true),
      offer('mesh-mini', 1_224_288),
      offer('Llama-3.2-3B', 2.02 * GIGABYTE),
      offer('Qwen2.5-Coder-7B-Instruct', 4.68 * GIGABYTE),
      offer('Qwen3-8B', 5.03 * GIGABYTE, false, 'It needs 6.1 GB of memory; this device has about 5.6 GB.'),
      offer('DeepSeek-R1-Distill-Qwen-14B', 8.99 * GIGABYTE, false, 'Browsers load GGUF files of up to 2 GB only.'),
    ];
  },
  async loadEngine(source, { slots, onProgress, signal }) {
    const id = 'id' in source ? source.id : 'own-model';
    if (id === 'mesh-mini')
      throw MeshError.modelInvalid('The file is no GGUF: it begins with other bytes. Choose another file.');
    const totalBytes = 890_000_000;
    for (let loadedBytes = 0; loadedBytes < totalBytes; loadedBytes += 31_000_000) {
      if (signal.aborted) throw MeshError.cancelled();
      onProgress({
        phase: 'download',
        loadedBytes,
        totalBytes,
        bytesPerSecond: 31_000_000,
      });
      await pause(systemClock, 200, signal);
    }
    return scriptedEngine(id, slots);
  },
  async claimEngineLock() {
    return new URLSearchParams(location.search).get('scenario') === 'other-tab' ? undefined : () => {};
  },
};

function scriptedEngine(id: string, slots: number): Engine {
  return {
    model: {
      id: ModelId.parse(id),
      classId: ClassId.parse('0'.repeat(32)),
      family: 'llama.cpp',
      backend: 'wllama · WebGPU',
      contextTokens: 1024,
      slots,
      sizeBytes: 5_620_864,
      features: [],
    },
    async *generate() {
      yield* [];
    },
    onLost: () => () => {},
    async close() {},
  };
}
