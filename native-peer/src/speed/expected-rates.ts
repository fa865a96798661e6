/**
 * How fast this machine should run each model, by a short run that is kept and by what its models reached: the memory of
 * the cores, and that of a GPU that is known, for as much of a model as it holds.
 */
import { cpus } from 'node:os';
import {
  type DeviceSpeed,
  expectedTokensPerSecond,
  GPU_TOKEN_OVERHEAD_MS,
  type LearnedRate,
  memoryNeededBytes,
  possibleTokensPerSecond,
} from '@tabmesh/shared';
import { z } from 'zod';
import { keepEntry, readEntries } from '../home/kept-entries.ts';
import { SPEED_KEPT_MS } from '../limits.ts';
import { measureCpuSpeed } from './cpu-speed.ts';
import { gpuBandwidth } from './gpu-bandwidth.ts';

export interface Machine {
  /** As llama.cpp tells them; empty without a GPU, or where llama.cpp does not run. */
  readonly gpuNames: readonly string[];
  /** Free memory of GPUs. */
  readonly gpuBytes: number;
}

export interface RateOptions {
  /** Where figures are kept between runs. */
  readonly file: string;
  readonly machine: Machine;
  readonly wallMs?: () => number;
  readonly measure?: () => Promise<DeviceSpeed>;
}

export interface ExpectedRates {
  /** In tokens a second; undefined for a GPU that nothing is known of. */
  of(id: string, sizeBytes: number): { readonly expected: number | undefined; readonly measured: number | undefined };
  readonly speed: DeviceSpeed;
}

const positive = z.number().positive();
const KeptSpeed = z.object({
  memoryBytesPerSecond: positive,
  operationsPerSecond: positive,
  tokenOverheadMs: z.number().nonnegative(),
  measuredAtMs: z.number(),
});
const KeptRate = z.object({ sizeBytes: positive, tokensPerSecond: positive });

export async function expectedRates(options: RateOptions): Promise<ExpectedRates> {
  const { file, machine } = options;
  const entries = await readEntries(file);
  const speed = await cpuSpeed(entries, options);
  const possible = (sizeBytes: number) => {
    const mixed = speedFor(sizeBytes, speed, machine);
    return mixed === undefined ? undefined : { mixed, rate: possibleTokensPerSecond(sizeBytes, mixed) };
  };
  const kept = entries.flatMap(([name, value]) => {
    const rate = KeptRate.safeParse(value).data;
    const [, device, id = ''] = /^rate (cpu|gpu) (.+)$/.exec(name) ?? [];
    return rate !== undefined && device === deviceOf(machine) ? [{ id, ...rate }] : [];
  });
  const learned = kept.flatMap(({ sizeBytes, tokensPerSecond }): LearnedRate[] => {
    const rate = possible(sizeBytes)?.rate;
    if (rate === undefined) return [];
    return [{ sizeBytes, possibleTokensPerSecond: rate, measuredTokensPerSecond: tokensPerSecond }];
  });
  return {
    speed,
    of(id, sizeBytes) {
      const mixed = possible(sizeBytes)?.mixed;
      return {
        expected: mixed === undefined ? undefined : expectedTokensPerSecond(sizeBytes, mixed, learned),
        measured: kept.find((rate) => rate.id === id)?.tokensPerSecond,
      };
    },
  };
}

/** What a model reached alone in this machine, for the next list. */
export function keepRate(file: string, id: string, sizeBytes: number, isOnGpu: boolean, tokensPerSecond: number) {
  return keepEntry(file, `rate ${isOnGpu ? 'gpu' : 'cpu'} ${id}`, { sizeBytes, tokensPerSecond });
}

async function cpuSpeed(
  entries: readonly [string, unknown][],
  { file, measure = measureCpuSpeed, wallMs = Date.now }: RateOptions,
): Promise<DeviceSpeed> {
  const name = `speed ${cpus()[0]?.model.trim() ?? 'cpu'} x${cpus().length}`;
  const kept = KeptSpeed.safeParse(new Map(entries).get(name)).data;
  const ageMs = kept === undefined ? Number.NaN : wallMs() - kept.measuredAtMs;
  if (kept !== undefined && ageMs >= 0 && ageMs < SPEED_KEPT_MS) return kept;
  const speed = await measure();
  // Without being kept it is measured again: no reason to show no list.
  await keepEntry(file, name, { ...speed, measuredAtMs: wallMs() }).catch(() => {});
  return speed;
}

/** Of a model that lies in the GPU's memory, in the machine's, or part in each: the times of reading add up. */
function speedFor(sizeBytes: number, cpu: DeviceSpeed, machine: Machine): DeviceSpeed | undefined {
  const [name] = machine.gpuNames;
  if (name === undefined || machine.gpuBytes <= 0) return cpu;
  const bandwidth = gpuBandwidth(name);
  if (bandwidth === undefined) return undefined;
  const share = Math.min(1, machine.gpuBytes / memoryNeededBytes(sizeBytes));
  const secondsPerByte = share / bandwidth + (1 - share) / cpu.memoryBytesPerSecond;
  return {
    memoryBytesPerSecond: 1 / secondsPerByte,
    // GPUs compute a token faster than they read it; what is left for the cores they compute.
    operationsPerSecond: share === 1 ? bandwidth * GPU_OPERATIONS_PER_BYTE : cpu.operationsPerSecond / (1 - share),
    tokenOverheadMs: GPU_TOKEN_OVERHEAD_MS / 4,
  };
}

/** No GPU computes fewer for each byte that it reads. */
const GPU_OPERATIONS_PER_BYTE = 20;

function deviceOf({ gpuNames, gpuBytes }: Machine): 'cpu' | 'gpu' {
  return gpuNames.length > 0 && gpuBytes > 0 ? 'gpu' : 'cpu';
}
