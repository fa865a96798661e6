/**
 * How fast the cores that llama.cpp would use read memory and compute: a tenth of a second each, by threads of their own,
 * because one core alone does not get what the machine's memory gives.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { CPU_TOKEN_OVERHEAD_MS, type DeviceSpeed } from '@tabmesh/shared';
import { MOST_SPEED_THREADS, SPEED_BYTES, SPEED_PATIENCE_MS, SPEED_RUN_MS } from '../limits.ts';

/**
 * llama.cpp multiplies quantised weights as small integers, 32 in one instruction, and JavaScript one number at a time:
 * from 7B models of 4 bits that one core runs at 3 tokens a second where the loop below has 3 GFLOPS.
 */
const VECTOR_GAIN = 16;

/**
 * @param threads of llama.cpp.
 * @throws when the threads don't come to an end in time
 */
export async function measureCpuSpeed(threads = Math.max(1, availableParallelism() - 1)): Promise<DeviceSpeed> {
  const count = Math.min(threads, MOST_SPEED_THREADS);
  const bytes = Math.floor(Math.min(SPEED_BYTES, process.availableMemory() / 8) / count);
  const workers = Array.from(
    { length: count },
    () => new Worker(THREAD, { eval: true, workerData: { bytes, runMs: SPEED_RUN_MS } }),
  );
  try {
    // All at once: what one alone reads is no share of what they read together.
    await Promise.all(workers.map((worker) => answerOf(worker)));
    const running = workers.map((worker) => answerOf(worker));
    for (const worker of workers) worker.postMessage('run');
    const results = await Promise.all(running);
    return {
      memoryBytesPerSecond: sum(results.map(({ bytesPerMs }) => bytesPerMs)) * 1000,
      operationsPerSecond:
        sum(results.map(({ operationsPerMs }) => operationsPerMs)) * 1000 * VECTOR_GAIN * (threads / count),
      tokenOverheadMs: CPU_TOKEN_OVERHEAD_MS,
    };
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

interface ThreadResult {
  readonly bytesPerMs: number;
  readonly operationsPerMs: number;
}

/**
 * As text, so that it needs neither a file of its own nor a translation. A search for a byte that is not there is a loop of
 * the C library over all of the memory, as fast as it is read; zeros of a fresh buffer would be one page, read again and
 * again.
 */
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads');
const { bytes, runMs } = workerData;
const memory = Buffer.alloc(bytes, 1);
function multiplyAndAdd() {
  let [a, b, c, d] = [1, 2, 3, 4];
  for (let step = 0; step < 20000; step += 1) {
    a = a * 0.9999 + 0.001;
    b = b * 0.9998 + 0.002;
    c = c * 0.9997 + 0.003;
    d = d * 0.9996 + 0.004;
  }
  return a + b + c + d;
}
function rate(work, amount) {
  let best = 0;
  const until = performance.now() + runMs;
  do {
    // The best of several: what else the machine does only ever makes one slower.
    const began = performance.now();
    let done = 0;
    let tookMs = 0;
    do {
      if (Number.isNaN(work())) throw new Error('no number');
      done += amount;
      tookMs = performance.now() - began;
    } while (tookMs < runMs / 5);
    best = Math.max(best, done / tookMs);
  } while (performance.now() < until);
  return best;
}
multiplyAndAdd();
parentPort.once('message', () => {
  const bytesPerMs = rate(() => memory.indexOf(2), bytes);
  parentPort.postMessage({ bytesPerMs, operationsPerMs: rate(multiplyAndAdd, 20000 * 4 * 2) });
});
parentPort.postMessage({ bytesPerMs: 0, operationsPerMs: 0 });
`;

function answerOf(worker: Worker): Promise<ThreadResult> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('The threads took too long.')), SPEED_PATIENCE_MS);
    const settle = (act: () => void) => {
      clearTimeout(timer);
      worker.removeAllListeners();
      act();
    };
    worker.once('message', (result: ThreadResult) => settle(() => resolve(result)));
    worker.once('error', (error) => settle(() => reject(error)));
    worker.once('exit', () => settle(() => reject(new Error('A thread ended.'))));
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
