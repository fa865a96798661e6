import { describe, expect, it } from 'vitest';
import type { DeviceReport } from '../src/engines/kit/device-report.ts';
import { modelOffers, offersAmong } from '../src/engines/model-offers.ts';
import type { MlcListing } from '../src/engines/webllm/webllm-messages.ts';

const GIB = 1024 ** 3;

/** Of WebLLM's list: small, large, in half precision, with its own demands, too short, and no chat model. */
const listed: MlcListing[] = [
  listing('SmolLM2-360M-Instruct-q4f32_1-MLC', 0.6),
  listing('SmolLM2-1.7B-Instruct-q4f16_1-MLC', 1.8),
  listing('Qwen3-0.6B-q4f16_1-MLC', 1.4),
  listing('Qwen3-8B-q4f16_1-MLC', 5.7),
  listing('Llama-3.2-3B-Instruct-q4f16_1-MLC', 2.3),
  listing('Llama-3.1-70B-Instruct-q3f16_1-MLC', 31),
  { ...listing('gemma-2-2b-it-q4f32_1-MLC', 2.5), bufferBytes: 4 * GIB },
  listing('gemma-2-2b-it-q4f32_1-MLC-1k', 1.9),
  { ...listing('snowflake-arctic-embed-m-q0f32-MLC-b4', 0.5), isChat: false },
];

const laptop: DeviceReport = {
  webgpu: { available: true, adapter: 'a GPU', features: ['shader-f16'], maxBufferBytes: 2 * GIB },
  memoryBytes: 8 * GIB,
  threads: 8,
  crossOriginIsolated: true,
  storageFreeBytes: 100 * GIB,
};
const entry = 'https://mesh.example:8080/contribute';

describe('model offers', () => {
  it('EN70: the embedded models come first, from the entry', () => {
    const [first, second] = offersAmong(listed, laptop, entry);

    expect(first).toMatchObject({
      id: 'mesh-tiny',
      engine: 'wllama',
      fits: true,
      source: { kind: 'gguf-url', url: 'https://mesh.example:8080/models/mesh-tiny.gguf' },
    });
    expect(second?.id).toBe('mesh-mini');
  });

  it('EN71: without WebGPU only GGUF models are offered, and the embedded one is recommended', async () => {
    const offers = await modelOffers({ ...laptop, webgpu: { available: false, reason: 'none', features: [] } }, entry);

    expect(offers.filter(({ engine }) => engine === 'webllm')).toHaveLength(0);
    expect(offers.filter(({ recommended }) => recommended).map(({ id }) => id)).toEqual(['mesh-tiny']);
  });

  it('EN72: on a real GPU the largest daily driver that fits is recommended', () => {
    const recommended = offersAmong(listed, laptop, entry).filter((offer) => offer.recommended);

    expect(recommended).toHaveLength(1);
    expect(recommended[0]).toMatchObject({ id: 'Qwen3-8B-q4f16_1-MLC', engine: 'webllm', fits: true });
  });

  it('EN72: of two builds of one model the one for half floats is recommended where the GPU has them', () => {
    const builds = [...listed, listing('Qwen3-8B-q4f32_1-MLC', 7.2)];
    const recommendedFor = (features: string[]) =>
      offersAmong(builds, { ...laptop, webgpu: { ...laptop.webgpu, features } }, entry).find(
        (offer) => offer.recommended,
      );

    expect(recommendedFor(['shader-f16'])?.id).toBe('Qwen3-8B-q4f16_1-MLC');
    expect(recommendedFor([])?.id).toBe('Qwen3-8B-q4f32_1-MLC');
  });

  it('CT5: to the memory that WebLLM tells, which has everything in it, nothing is added', () => {
    const fitsWith = (memoryBytes: number) =>
      offersAmong(listed, { ...laptop, memoryBytes }, entry).find(({ id }) => id === 'Qwen3-8B-q4f16_1-MLC')?.fits;

    expect(fitsWith(5.7e9)).toBe(true);
    expect(fitsWith(5.69e9)).toBe(false);
  });

  it('EN73: every model that does not fit says why, and none that fits does', () => {
    const reports: DeviceReport[] = [
      laptop,
      { ...laptop, memoryBytes: null, storageFreeBytes: GIB },
      { ...laptop, webgpu: { ...laptop.webgpu, features: [] } },
      { ...laptop, webgpu: { ...laptop.webgpu, reason: 'It is emulated.' } },
    ];
    for (const report of reports) {
      for (const offer of offersAmong(listed, report, entry)) {
        expect(offer.fits, offer.label).toBe(offer.reason === undefined);
        if (!offer.fits) expect(offer.reason).toMatch(/\.$/);
        if (offer.recommended) expect(offer.fits).toBe(true);
      }
    }
  });

  it('EN73: memory, storage, GPU features and the 2 GB limit of GGUF files are each named', () => {
    const reasonFor = (report: DeviceReport, id: string) =>
      offersAmong(listed, report, entry).find((offer) => offer.id === id)?.reason;

    expect(reasonFor({ ...laptop, memoryBytes: GIB }, 'SmolLM2-1.7B-Instruct-q4f16_1-MLC')).toContain('memory');
    expect(reasonFor({ ...laptop, storageFreeBytes: 1000 }, 'mesh-tiny')).toContain('storage');
    const noHalf = { ...laptop, webgpu: { ...laptop.webgpu, features: [] } };
    expect(reasonFor(noHalf, 'Qwen3-0.6B-q4f16_1-MLC')).toContain('shader-f16');
    expect(reasonFor(laptop, 'gemma-2-2b-it-q4f32_1-MLC')).toContain('buffers');
    expect(reasonFor(laptop, 'Qwen3-8B')).toContain('2 GB');
  });

  it('EN74: a software adapter recommends the embedded model, not one of WebLLM', () => {
    const emulated = { ...laptop, webgpu: { ...laptop.webgpu, reason: 'It is emulated.' } };
    const offers = offersAmong(listed, emulated, entry);

    expect(offers.find(({ recommended }) => recommended)?.id).toBe('mesh-tiny');
    expect(offers.filter(({ engine, fits }) => engine === 'webllm' && fits)).toHaveLength(0);
  });

  it('EN75: of WebLLM’s list only chat models with a usable context are offered', () => {
    const offered = offersAmong(listed, laptop, entry).map(({ id }) => id);

    expect(offered).toContain('SmolLM2-360M-Instruct-q4f32_1-MLC');
    expect(offered).not.toContain('gemma-2-2b-it-q4f32_1-MLC-1k');
    expect(offered).not.toContain('snowflake-arctic-embed-m-q0f32-MLC-b4');
  });
});

function listing(mlcId: string, gigabytes: number): MlcListing {
  return {
    mlcId,
    modelUrl: `https://hub.example/${mlcId}`,
    libraryUrl: `https://hub.example/${mlcId}.wasm`,
    memoryBytes: gigabytes * 1e9,
    features: [],
    bufferBytes: 0,
    contextTokens: 4096,
    isChat: true,
  };
}
