/** What this browser has, for people who think about lending it and for the choice of a model that fits. */
import { MAX_THREADS } from '../../limits.ts';

export interface DeviceReport {
  webgpu: {
    /** Whether an adapter was really given: `navigator.gpu` alone says nothing. */
    available: boolean;
    /** Why it is not available; or, when it is, why it will be slow. */
    reason?: string;
    adapter?: string;
    features: string[];
    /** The largest buffer that a shader may read. */
    maxBufferBytes?: number;
  };
  /** The browser's rounded and capped figure; null where it tells none. */
  memoryBytes: number | null;
  threads: number;
  crossOriginIsolated: boolean;
  storageFreeBytes: number | null;
}

export async function probeDevice(): Promise<DeviceReport> {
  const [webgpu, storageFreeBytes] = await Promise.all([probeWebGpu(), probeStorage()]);
  return {
    webgpu,
    memoryBytes: knownMemoryBytes(),
    threads: navigator.hardwareConcurrency || 1,
    crossOriginIsolated: globalThis.crossOriginIsolated === true,
    storageFreeBytes,
  };
}

/** A software adapter answers slower than llama.cpp on the CPU does. */
export function hasFastGpu({ webgpu }: DeviceReport): boolean {
  return webgpu.available && webgpu.reason === undefined;
}

/** wllama wants half floats of the GPU; without them it would run on the CPU and not say so. */
export function hasGpuForGguf(report: DeviceReport): boolean {
  return hasFastGpu(report) && report.webgpu.features.includes('shader-f16');
}

/** Of llama.cpp in a tab without a GPU. */
export function threadsFor({ crossOriginIsolated, threads }: DeviceReport): number {
  // Threads need shared memory; on few cores they wait for each other (two on two busy cores: a tenth of one's speed).
  if (!crossOriginIsolated || threads < 4) return 1;
  return Math.min(MAX_THREADS, Math.floor(threads / 2));
}

async function probeWebGpu(): Promise<DeviceReport['webgpu']> {
  if (!globalThis.isSecureContext) {
    return { available: false, reason: 'WebGPU needs a page on https:// or localhost.', features: [] };
  }
  if (!('gpu' in navigator)) {
    return { available: false, reason: 'This browser has no WebGPU. Current Chrome and Edge have it.', features: [] };
  }
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null);
  if (adapter === null) {
    return { available: false, reason: 'This browser found no graphics adapter that WebGPU can use.', features: [] };
  }
  const { description, vendor, architecture, isFallbackAdapter } = adapter.info;
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  return {
    available: true,
    ...(isFallbackAdapter ? { reason: 'This graphics adapter is emulated in software and very slow.' } : {}),
    adapter: description || [vendor, architecture].filter((part) => part !== '').join(' ') || 'unnamed adapter',
    features: [...adapter.features].sort(),
    maxBufferBytes: Math.min(maxBufferSize, maxStorageBufferBindingSize),
  };
}

/** Chromium only, in GiB, rounded to a power of two and capped so that it identifies nobody; of the GPU's nothing is told. */
export function knownMemoryBytes(): number | null {
  const memoryGib: unknown = Reflect.get(navigator, 'deviceMemory');
  return typeof memoryGib === 'number' ? memoryGib * 1024 ** 3 : null;
}

async function probeStorage(): Promise<number | null> {
  try {
    const { quota, usage } = await navigator.storage.estimate();
    return quota === undefined ? null : Math.max(0, quota - (usage ?? 0));
  } catch {
    return null;
  }
}
