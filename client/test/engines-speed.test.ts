import { describe, expect, it } from 'vitest';
import type { DeviceReport } from '../src/engines/kit/device-report.ts';
import { offersAmong } from '../src/engines/model-offers.ts';
import { measureCpuSpeed } from '../src/engines/speed/cpu-speed.ts';
import { expectationsOf, learnedRate, type MeasureOptions } from '../src/engines/speed/expectations.ts';
import { SpeedBook } from '../src/engines/speed/speed-book.ts';
import { steadyRate } from '../src/engines/speed/steady-rate.ts';
import type { MlcListing } from '../src/engines/webllm/webllm-messages.ts';
import { createSpeedStore } from '../src/lend/speed-store.ts';
import { SPEED_KEPT_MS } from '../src/limits.ts';

const GB = 1e9;
const laptop: DeviceReport = {
  webgpu: { available: true, adapter: 'an integrated GPU', features: ['shader-f16'], maxBufferBytes: 4 * GB },
  memoryBytes: 16 * 1024 ** 3,
  threads: 8,
  crossOriginIsolated: true,
  storageFreeBytes: 100 * GB,
};
const gpu = { memoryBytesPerSecond: 50 * GB, operationsPerSecond: 1.2e12, tokenOverheadMs: 4 };
const cpu = { memoryBytesPerSecond: 20 * GB, operationsPerSecond: 40e9, tokenOverheadMs: 0.2 };

function setUp(speeds: { gpu?: typeof gpu | undefined; cpu?: typeof cpu } = { gpu }) {
  const runs: string[] = [];
  let nowMs = 1_000_000;
  const book = new SpeedBook(createSpeedStore(undefined));
  const options: MeasureOptions = {
    book,
    wallMs: () => nowMs,
    measure: {
      async gpu() {
        runs.push('gpu');
        return speeds.gpu;
      },
      async cpu(threads) {
        runs.push(`cpu ${threads}`);
        return speeds.cpu ?? cpu;
      },
    },
  };
  const listed = [
    listing('gemma-2-9b-it-q4f32_1-MLC', 8.8),
    listing('Qwen3-8B-q4f16_1-MLC', 5.97),
    listing('Llama-3.2-3B-Instruct-q4f16_1-MLC', 2.37),
    listing('SmolLM2-360M-Instruct-q4f16_1-MLC', 0.4),
  ];
  const offers = async (report = laptop) =>
    offersAmong(listed, report, 'https://entry.example', await expectationsOf(report, options));
  return { book, options, runs, offers, later: (ms: number) => (nowMs += ms) };
}

describe('the short run', () => {
  it('EN170: batches grow until one is long enough, and the time for it is bounded', async () => {
    const batches: number[] = [];
    const run = async (units: number) => {
      batches.push(units);
      return 0.5 + units / 1000;
    };
    const rate = await steadyRate({ run, firstUnits: 10, enoughMs: 80, mostMs: 500 });
    expect(rate).toBeGreaterThan(980);
    expect(rate).toBeLessThan(1000);
    expect(batches.length).toBeLessThan(8);
    let spentMs = 0;
    const slow = async (units: number) => {
      spentMs += units;
      return units;
    };
    await steadyRate({ run: slow, firstUnits: 20, enoughMs: 80, mostMs: 50 });
    expect(spentMs).toBeLessThan(80);
    expect(await steadyRate({ run: async () => 0, firstUnits: 1, enoughMs: 80, mostMs: 0 })).toBeGreaterThan(0);
  });

  it('EN171: without a GPU the cores are measured, and the page goes on meanwhile', async () => {
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    const began = performance.now();
    const speed = await measureCpuSpeed(1);
    clearInterval(timer);
    expect(performance.now() - began).toBeLessThan(2000);
    expect(speed.memoryBytesPerSecond).toBeGreaterThan(1e8);
    expect(speed.operationsPerSecond).toBeGreaterThan(1e7);
    expect(turns).toBeGreaterThan(1);
    const { runs, offers } = setUp();
    await offers({ ...laptop, webgpu: { available: false, reason: 'none', features: [] } });
    await offers({ ...laptop, threads: 2, webgpu: { ...laptop.webgpu, reason: 'It is emulated.' } });
    expect(runs).toEqual(['cpu 4', 'cpu 1']);
  });

  it('EN172: what was measured is kept per adapter, for a month, and measured anew when asked', async () => {
    const { options, runs, later } = setUp();
    await expectationsOf(laptop, options);
    await expectationsOf(laptop, options);
    expect(runs).toEqual(['gpu', 'cpu 4']);
    await expectationsOf({ ...laptop, webgpu: { ...laptop.webgpu, adapter: 'another' } }, options);
    expect(runs).toEqual(['gpu', 'cpu 4', 'gpu']);
    await expectationsOf(laptop, { ...options, anew: true });
    expect(runs).toHaveLength(5);
    later(SPEED_KEPT_MS);
    await expectationsOf(laptop, options);
    later(-SPEED_KEPT_MS * 2);
    await expectationsOf(laptop, options);
    expect(runs).toHaveLength(9);
  });

  it('EN172: of the kept ones the last eight devices and twenty-four models stay, and what somebody broke is nothing', () => {
    let text: string | undefined = '{"speeds":[{"device":3}],"rates":[]}';
    const store = { read: () => text, write: (written: string) => (text = written) };
    const book = new SpeedBook(store);
    expect(book.ratesOn('gpu')).toEqual([]);
    for (let at = 0; at < 100; at += 1) {
      book.keepSpeed(`gpu ${at}`, gpu, at);
      const speed = { device: 'gpu', ...gpu, measuredAtMs: 0 };
      book.keepRate(learnedRate(`model ${at % 50}`, GB, { speed, rates: [] }, at + 1));
    }
    expect(book.speedOf('gpu 99')).toMatchObject(gpu);
    expect(book.speedOf('gpu 91')).toBeUndefined();
    expect(book.ratesOn('gpu')).toHaveLength(24);
    expect(book.ratesOn('gpu')[0]).toMatchObject({ model: 'model 49', measuredTokensPerSecond: 100 });
    expect((text ?? '').length).toBeLessThan(16_000);
  });
});

describe('offers by measurement', () => {
  it('EN173: a laptop with an integrated GPU is proposed what answers at the speed of a chat, not the largest that fits', async () => {
    const { offers } = setUp();
    const all = await offers();
    const rateOf = (id: string) => all.find((offer) => offer.id === id)?.expected?.tokensPerSecond ?? 0;
    expect(all.find(({ recommended }) => recommended)?.id).toBe('Llama-3.2-3B-Instruct-q4f16_1-MLC');
    expect(rateOf('gemma-2-9b-it-q4f32_1-MLC')).toBeLessThan(8);
    expect(rateOf('Llama-3.2-3B-Instruct-q4f16_1-MLC')).toBeGreaterThan(8);
    // In sight: behind the embedded ones the proposed one comes first, and what is too slow last of what fits.
    const fitting = all.filter(({ fits }) => fits).map(({ id }) => id);
    expect(fitting[2]).toBe('Llama-3.2-3B-Instruct-q4f16_1-MLC');
    expect(fitting.slice(-2)).toEqual(['gemma-2-9b-it-q4f32_1-MLC', 'Qwen3-8B-q4f16_1-MLC']);
    for (const { fits, expected } of all) expect(expected === undefined).toBe(!fits);
  });

  it('EN173: a graphics card is proposed the largest daily driver, and a weak one the largest that is fast enough', async () => {
    const strong = await setUp({
      gpu: { ...gpu, memoryBytesPerSecond: 900 * GB, operationsPerSecond: 40e12 },
    }).offers();
    expect(strong.find(({ recommended }) => recommended)?.id).toBe('Qwen3-8B-q4f16_1-MLC');
    const weak = await setUp({ gpu: { ...gpu, memoryBytesPerSecond: 8 * GB } }).offers();
    expect(weak.find(({ recommended }) => recommended)?.id).toBe('SmolLM2-360M-Instruct-q4f16_1-MLC');
    const broken = await setUp({ gpu: undefined }).offers();
    expect(broken.filter(({ recommended }) => recommended)).toHaveLength(1);
  });

  it('EN174: the estimate learns: what a model reached counts for it, and tells of the others', async () => {
    const { book, options, offers } = setUp();
    const before = await offers();
    const llama = before.find(({ id }) => id === 'Llama-3.2-3B-Instruct-q4f16_1-MLC');
    const { gpu: expectation } = await expectationsOf(laptop, options);
    if (llama?.expected === undefined || expectation === undefined) throw new Error('not measured');
    book.keepRate(learnedRate(llama.id, llama.sizeBytes, expectation, 4));
    const after = await offers();
    const rates = (id: string) => after.find((offer) => offer.id === id);
    expect(rates(llama.id)).toMatchObject({
      atChatSpeed: false,
      recommended: false,
      expected: { measuredTokensPerSecond: 4 },
    });
    expect(rates(llama.id)?.expected?.tokensPerSecond).toBeLessThan(llama.expected.tokensPerSecond * 0.6);
    expect(rates('SmolLM2-360M-Instruct-q4f16_1-MLC')?.expected?.measuredTokensPerSecond).toBeUndefined();
    expect(after.find(({ recommended }) => recommended)?.id).toBe('SmolLM2-360M-Instruct-q4f16_1-MLC');
  });
});

function listing(mlcId: string, gigabytes: number): MlcListing {
  return {
    mlcId,
    modelUrl: `https://hub.example/${mlcId}`,
    libraryUrl: `https://hub.example/${mlcId}.wasm`,
    memoryBytes: gigabytes * GB,
    features: [],
    bufferBytes: 0,
    contextTokens: 4096,
    isChat: true,
  };
}
