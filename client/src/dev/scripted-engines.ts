/** Engines without models, for looking at the Contribute page: they load slowly and answer nothing. */
import { ClassId, type Engine, isChatSpeed, MeshError, ModelId, pause, systemClock } from '@tabmesh/shared';
import { type Expectation, expectationsOf, expectedRate, learnedRate } from '../engines/speed/expectations.ts';
import { SpeedBook } from '../engines/speed/speed-book.ts';
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
  learnedRate,
  SpeedBook,
  expectationsOf(report, options) {
    const speed = { memoryBytesPerSecond: 68 * GIGABYTE, operationsPerSecond: 2.1e12, tokenOverheadMs: 4 };
    const measure = {
      async gpu() {
        await pause(systemClock, 1_200, new AbortController().signal);
        return speed;
      },
      cpu: async () => ({ ...speed, operationsPerSecond: 4e10, tokenOverheadMs: 0.2 }),
    };
    return expectationsOf(report, { ...options, measure });
  },
  async modelOffers(_report, _entryUrl, expectations) {
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
      ...(reason === undefined && expectations?.gpu && rated(id, sizeBytes, expectations.gpu)),
    });
    return [
      offer('mesh-tiny', 5_620_864),
      offer('mesh-mini', 1_224_288),
      offer('Llama-3.2-3B', 2.02 * GIGABYTE, true),
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

function rated(id: string, sizeBytes: number, expectation: Expectation) {
  const expected = expectedRate(id, sizeBytes, expectation);
  return { expected, atChatSpeed: isChatSpeed(expected.measuredTokensPerSecond ?? expected.tokensPerSecond) };
}

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
