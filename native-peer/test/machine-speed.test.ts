/** How fast this machine should run models: measured, kept, and corrected by what they reached. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { measureCpuSpeed } from '../src/speed/cpu-speed.ts';
import { expectedRates, keepRate, type RateOptions } from '../src/speed/expected-rates.ts';
import { gpuBandwidth } from '../src/speed/gpu-bandwidth.ts';
import { startTabmesh } from './tabmesh-process.ts';

const run = (args: readonly string[], environment: Record<string, string>) => startTabmesh(args, environment).ended;

import { temporaryFolder } from './temporary-folder.ts';

const GB = 1e9;
const speed = { memoryBytesPerSecond: 40 * GB, operationsPerSecond: 1e12, tokenOverheadMs: 0 };

async function setUp(machine: RateOptions['machine'] = { gpuNames: [], gpuBytes: 0 }) {
  const file = join(await temporaryFolder(), 'speed.json');
  let runs = 0;
  let nowMs = 1_000_000;
  const options: RateOptions = {
    file,
    machine,
    wallMs: () => nowMs,
    measure: async () => {
      runs += 1;
      return speed;
    },
  };
  const rates = async () => (await expectedRates(options)).of;
  return { file, rates, runs: () => runs, later: (ms: number) => (nowMs += ms) };
}

describe('the speed of this machine', () => {
  it('NP106: its cores are measured in under two seconds, by threads that end', async () => {
    const began = performance.now();
    const measured = await measureCpuSpeed();
    expect(performance.now() - began).toBeLessThan(2000);
    expect(measured.memoryBytesPerSecond).toBeGreaterThan(1e8);
    expect(measured.memoryBytesPerSecond).toBeLessThan(5e12);
    expect(measured.operationsPerSecond).toBeGreaterThan(1e8);
  });

  it('NP106: what was measured is kept for a month', async () => {
    const { rates, runs, later } = await setUp();
    await rates();
    const of = await rates();
    expect(runs()).toBe(1);
    expect(of('any', 2 * GB).expected).toBeCloseTo(20 * 0.6);
    later(31 * 24 * 3_600_000);
    await rates();
    expect(runs()).toBe(2);
  });

  it('NP107: a known GPU counts for as much of a model as it holds, and of an unknown one nothing is said', async () => {
    const card = { gpuNames: ['NVIDIA GeForce RTX 4090'], gpuBytes: 22 * GB };
    const of = await (await setUp(card)).rates();
    const [inside, half, outside] = [8, 40, 400].map((gigabytes) => of('any', gigabytes * GB).expected ?? 0);
    expect(inside).toBeGreaterThan(50);
    expect(half).toBeLessThan(2);
    expect(half).toBeGreaterThan(0.6);
    expect(outside).toBeLessThan(0.1);
    const strange = await (await setUp({ gpuNames: ['Frobnicator 9000'], gpuBytes: 22 * GB })).rates();
    expect(strange('any', GB).expected).toBeUndefined();
  });

  it.each([
    ['NVIDIA H200', 4800],
    ['NVIDIA H100 80GB HBM3', 3350],
    ['NVIDIA GeForce RTX 4070 Ti SUPER', 672],
    ['NVIDIA GeForce RTX 4070 Laptop GPU', 256],
    ['NVIDIA GeForce RTX 3060 Laptop GPU', 336],
    ['AMD Radeon RX 7900 XTX (RADV NAVI31)', 960],
    ['Apple M2 Max', 400],
    ['Apple M4', 120],
    ['Apple M1', 68],
  ])('NP107: the memory of %s gives %d GB/s', (name, gigabytes) => {
    expect(gpuBandwidth(name)).toBe(gigabytes * GB);
  });

  it('NP108: what a model reached here stands beside what is expected, and corrects it', async () => {
    const { file, rates } = await setUp();
    const before = (await rates())('model', 2 * GB);
    expect(before.measured).toBeUndefined();
    await keepRate(file, 'model', 2 * GB, false, 6);
    await keepRate(file, 'on a card', 2 * GB, true, 600);
    const after = (await rates())('model', 2 * GB);
    expect(after.measured).toBe(6);
    expect(after.expected).toBeLessThan(9);
    expect((await rates())('on a card', 2 * GB).measured).toBeUndefined();
  });

  it('NP109: models ls tells the expected rate of each model that fits, and the best choice', async () => {
    const home = { TABMESH_HOME: await temporaryFolder() };
    const { stdout } = await run(['models', 'ls'], home);
    expect(stdout).toMatch(/^mesh-tiny .* ~[\d.]+ tok\/s +fits$/m);
    expect(stdout).toMatch(/\nThe best choice for this machine: \S+, ~[\d.]+ tok\/s\n$/);
    await keepRate(join(home.TABMESH_HOME, 'speed.json'), 'mesh-tiny', 5_620_864, false, 612);
    const listed = JSON.parse((await run(['models', 'ls', '--json'], home)).stdout);
    expect(listed.filter(({ isBestChoice }: { isBestChoice: boolean }) => isBestChoice)).toHaveLength(1);
    expect(listed).toContainEqual(expect.objectContaining({ id: 'mesh-tiny', measuredTokensPerSecond: 612 }));
  });
});
