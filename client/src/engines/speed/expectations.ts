/** How fast this browser should run models: by its GPU where an engine would use it, else by its cores. */
import { type DeviceSpeed, expectedTokensPerSecond, possibleTokensPerSecond } from '@tabmesh/shared';
import { SPEED_KEPT_MS } from '../../limits.ts';
import { type DeviceReport, hasFastGpu, threadsFor } from '../kit/device-report.ts';
import { measureCpuSpeed } from './cpu-speed.ts';
import { measureGpuSpeed } from './gpu-speed.ts';
import type { KeptRate, KeptSpeed, SpeedBook } from './speed-book.ts';

export interface Expectations {
  /** Absent where no engine would use a GPU, or where it could not be measured. */
  readonly gpu?: Expectation;
  readonly cpu: Expectation;
}

export interface Expectation {
  readonly speed: KeptSpeed;
  readonly rates: readonly KeptRate[];
}

export interface ExpectedRate {
  readonly tokensPerSecond: number;
  /** What this model reached when it last ran here. */
  readonly measuredTokensPerSecond?: number;
}

export interface MeasureOptions {
  readonly book: SpeedBook;
  readonly wallMs: () => number;
  /** Measures although figures are kept. */
  readonly anew?: boolean;
  /** Default: the real ones. */
  readonly measure?: {
    gpu(): Promise<DeviceSpeed | undefined>;
    cpu(threads: number): Promise<DeviceSpeed>;
  };
}

/** From what is kept, else measured now, under two seconds in all. */
export async function expectationsOf(report: DeviceReport, options: MeasureOptions): Promise<Expectations> {
  const { gpu, cpu } = options.measure ?? { gpu: measureGpuSpeed, cpu: measureCpuSpeed };
  const threads = threadsFor(report);
  // One after the other: a core that waits for the GPU is no idle one.
  const onGpu = hasFastGpu(report) ? await expectation(gpuKey(report), gpu, options) : undefined;
  const onCpu = await expectation(cpuKey(report), () => cpu(threads), options);
  if (onCpu === undefined) throw new Error('The cores could not be measured.');
  return { ...(onGpu && { gpu: onGpu }), cpu: onCpu };
}

export function expectedRate(id: string, sizeBytes: number, { speed, rates }: Expectation): ExpectedRate {
  const measured = rates.find(({ model }) => model === id)?.measuredTokensPerSecond;
  return {
    tokensPerSecond: expectedTokensPerSecond(sizeBytes, speed, rates),
    ...(measured !== undefined && { measuredTokensPerSecond: measured }),
  };
}

/** What is to be kept of a model that ran. */
export function learnedRate(id: string, sizeBytes: number, { speed }: Expectation, measured: number): KeptRate {
  return {
    device: speed.device,
    model: id,
    sizeBytes,
    possibleTokensPerSecond: possibleTokensPerSecond(sizeBytes, speed),
    measuredTokensPerSecond: measured,
  };
}

async function expectation(
  device: string,
  measure: () => Promise<DeviceSpeed | undefined>,
  { book, wallMs, anew = false }: MeasureOptions,
): Promise<Expectation | undefined> {
  const kept = book.speedOf(device);
  const ageMs = kept === undefined ? Number.NaN : wallMs() - kept.measuredAtMs;
  const rates = book.ratesOn(device);
  if (kept !== undefined && !anew && ageMs >= 0 && ageMs < SPEED_KEPT_MS) return { speed: kept, rates };
  const speed = await measure();
  if (speed === undefined) return undefined;
  const measuredAtMs = wallMs();
  book.keepSpeed(device, speed, measuredAtMs);
  return { speed: { device, ...speed, measuredAtMs }, rates };
}

function gpuKey({ webgpu }: DeviceReport): string {
  return `gpu ${webgpu.adapter ?? ''}`;
}

function cpuKey(report: DeviceReport): string {
  return `cpu ${threadsFor(report)} of ${report.threads}`;
}
