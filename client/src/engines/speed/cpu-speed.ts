/**
 * The same two figures of the cores that WebAssembly would use, by JavaScript in short slices, so that the page goes on.
 * One core is measured: two are known not to be idle on any device.
 */
import { CPU_TOKEN_OVERHEAD_MS, type DeviceSpeed } from '@tabmesh/shared';
import { CPU_READ_BYTES, CPU_SLICE_MS, ENOUGH_WORK_MS } from '../../limits.ts';

/** llama.cpp computes with vectors of four floats, which JavaScript does not have. */
const VECTOR_FLOATS = 4;
/** Cores share their memory: a few of them are enough for all that it gives. */
const MOST_MEMORY_SHARE = 3;

/** @param threads that an engine would have. */
export async function measureCpuSpeed(threads: number): Promise<DeviceSpeed> {
  const values = new Float64Array(CPU_READ_BYTES / 8).fill(1);
  let at = 0;
  const bytesPerMs = await inSlices((sliceMs) => {
    const began = performance.now();
    let bytes = 0;
    do {
      at = at + CHUNK > values.length ? 0 : at;
      keep(sumOf(values, at, at + CHUNK));
      at += CHUNK;
      bytes += CHUNK * 8;
    } while (performance.now() - began < sliceMs);
    return { done: bytes, tookMs: performance.now() - began };
  });
  const operationsPerMs = await inSlices((sliceMs) => {
    const began = performance.now();
    let operations = 0;
    do {
      keep(multiplyAndAdd(STEPS));
      operations += STEPS * CHAINS * 2;
    } while (performance.now() - began < sliceMs);
    return { done: operations, tookMs: performance.now() - began };
  });
  return {
    memoryBytesPerSecond: bytesPerMs * 1000 * Math.min(threads, MOST_MEMORY_SHARE),
    operationsPerSecond: operationsPerMs * 1000 * VECTOR_FLOATS * threads,
    tokenOverheadMs: CPU_TOKEN_OVERHEAD_MS,
  };
}

const CHUNK = 64 * 1024;
const STEPS = 20_000;
const CHAINS = 4;

/** Of the fastest slice: what else the machine does only ever makes one slower. */
async function inSlices(slice: (sliceMs: number) => { done: number; tookMs: number }): Promise<number> {
  let best = 0;
  for (let spentMs = 0; spentMs < ENOUGH_WORK_MS; ) {
    const { done, tookMs } = slice(CPU_SLICE_MS);
    best = Math.max(best, done / Math.max(tookMs, 0.1));
    spentMs += Math.max(tookMs, 1);
    await nextTask();
  }
  return best;
}

function sumOf(values: Float64Array, from: number, to: number): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let at = from; at < to; at += 4) {
    a += values[at] ?? 0;
    b += values[at + 1] ?? 0;
    c += values[at + 2] ?? 0;
    d += values[at + 3] ?? 0;
  }
  return a + b + c + d;
}

function multiplyAndAdd(steps: number): number {
  let [a, b, c, d] = [1, 2, 3, 4];
  for (let step = 0; step < steps; step += 1) {
    a = a * 0.9999 + 0.001;
    b = b * 0.9998 + 0.002;
    c = c * 0.9997 + 0.003;
    d = d * 0.9996 + 0.004;
  }
  return a + b + c + d;
}

let kept = 0;
/** A result that nobody uses is not computed. */
function keep(value: number): void {
  kept = value;
  if (Number.isNaN(kept)) throw new Error('A sum of numbers is none.');
}

/** Time-outs of pages wait four milliseconds each. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
