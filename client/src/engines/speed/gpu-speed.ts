/**
 * Two figures of a GPU by two small compute shaders: how fast it reads memory, and how fast it multiplies and adds. They
 * say nothing of how well an engine makes use of it; that is learned from what is measured later.
 */
import { type DeviceSpeed, GPU_TOKEN_OVERHEAD_MS } from '@tabmesh/shared';
import { ENOUGH_WORK_MS, READ_BUFFER_BYTES, SPEED_RUN_MS } from '../../limits.ts';
import { steadyRate } from './steady-rate.ts';

/** Undefined where there is no adapter, or one that breaks under it. */
export async function measureGpuSpeed(): Promise<DeviceSpeed | undefined> {
  const began = performance.now();
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null);
  if (!adapter) return undefined;
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  const readBytes = Math.min(READ_BUFFER_BYTES, maxBufferSize, maxStorageBufferBindingSize);
  let device: GPUDevice | undefined;
  try {
    device = await adapter.requestDevice({
      requiredLimits: { maxBufferSize: readBytes, maxStorageBufferBindingSize: readBytes },
    });
    const lost = device.lost.then(({ message }) => Promise.reject(new Error(message)));
    return await Promise.race([measure(device, readBytes, began + SPEED_RUN_MS), lost]);
  } catch {
    return undefined;
  } finally {
    device?.destroy();
  }
}

/** `GPUBufferUsage`, whose values TypeScript does not know. */
const USAGE = { copyDst: 0x8, uniform: 0x40, storage: 0x80 } as const;
const GROUP_SIZE = 256;
const GROUPS = 1024;
const STEPS = 256;
/** Four vectors of four floats, each multiplied and added. */
const OPERATIONS_PER_GROUP = GROUP_SIZE * STEPS * 4 * 4 * 2;
const VECTOR_BYTES = 16;

/** Each thread reads every so many vectors, so that neighbours read neighbours, as shaders of engines do. */
const READING = `
@group(0) @binding(0) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
@group(0) @binding(2) var<uniform> count: u32;
@compute @workgroup_size(${GROUP_SIZE}) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  var sum = vec4<f32>();
  for (var at = id.x; at < count; at += ${GROUPS * GROUP_SIZE}u) { sum += weights[at]; }
  sums[id.x] = sum.x + sum.y + sum.z + sum.w;
}`;

/** Four chains that don't wait for each other; the sum keeps the compiler from leaving them out. */
const COMPUTING = `
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
@compute @workgroup_size(${GROUP_SIZE}) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let factor = vec4<f32>(0.9999, 0.9998, 0.9997, 0.9996);
  let addend = vec4<f32>(0.001, 0.002, 0.003, 0.004);
  var a = vec4<f32>(f32(id.x));
  var b = a + 1.0;
  var c = a + 2.0;
  var d = a + 3.0;
  for (var step = 0u; step < ${STEPS}u; step++) {
    a = fma(a, factor, addend);
    b = fma(b, factor, addend);
    c = fma(c, factor, addend);
    d = fma(d, factor, addend);
  }
  sums[id.x % ${GROUPS * GROUP_SIZE}u] = dot(a + b, c + d);
}`;

async function measure(device: GPUDevice, readBytes: number, untilMs: number): Promise<DeviceSpeed> {
  device.pushErrorScope('out-of-memory');
  device.pushErrorScope('validation');
  const weights = device.createBuffer({ size: readBytes, usage: USAGE.storage });
  const sums = device.createBuffer({ size: GROUPS * GROUP_SIZE * 4, usage: USAGE.storage });
  const count = device.createBuffer({ size: 4, usage: USAGE.uniform | USAGE.copyDst });
  const [reading, computing] = await Promise.all([pipelineOf(device, READING), pipelineOf(device, COMPUTING)]);
  const read = device.createBindGroup({
    layout: reading.getBindGroupLayout(0),
    entries: [
      { binding: 0, resource: { buffer: weights } },
      { binding: 1, resource: { buffer: sums } },
      { binding: 2, resource: { buffer: count } },
    ],
  });
  const compute = device.createBindGroup({
    layout: computing.getBindGroupLayout(0),
    entries: [{ binding: 1, resource: { buffer: sums } }],
  });
  const failed = (await device.popErrorScope()) ?? (await device.popErrorScope());
  if (failed !== null) throw new Error(failed.message);

  /** A unit is a vector; what is more than the buffer holds is read from its beginning again. */
  const readVectors = async (vectors: number) => {
    const whole = Math.floor(readBytes / VECTOR_BYTES);
    const passes = Math.max(1, Math.round(vectors / whole));
    device.queue.writeBuffer(count, 0, Uint32Array.of(Math.min(vectors, whole)));
    return (await timed(device, reading, read, passes, GROUPS)) * (vectors / (passes * Math.min(vectors, whole)));
  };
  const computeGroups = (groups: number) => {
    const passes = Math.ceil(groups / MOST_GROUPS);
    return timed(device, computing, compute, passes, Math.ceil(groups / passes));
  };
  const leftMs = () => Math.max(0, untilMs - performance.now());
  const vectorsPerMs = await steadyRate({
    run: readVectors,
    firstUnits: GROUPS * GROUP_SIZE,
    enoughMs: ENOUGH_WORK_MS,
    mostMs: leftMs() / 2,
  });
  const groupsPerMs = await steadyRate({
    run: computeGroups,
    firstUnits: 64,
    enoughMs: ENOUGH_WORK_MS,
    mostMs: leftMs(),
  });
  return {
    memoryBytesPerSecond: vectorsPerMs * VECTOR_BYTES * 1000,
    operationsPerSecond: groupsPerMs * OPERATIONS_PER_GROUP * 1000,
    tokenOverheadMs: GPU_TOKEN_OVERHEAD_MS,
  };
}

/** What every device takes in one dispatch. */
const MOST_GROUPS = 65_535;

function pipelineOf(device: GPUDevice, code: string): Promise<GPUComputePipeline> {
  return device.createComputePipelineAsync({
    layout: 'auto',
    compute: { module: device.createShaderModule({ code }) },
  });
}

async function timed(
  device: GPUDevice,
  pipeline: GPUComputePipeline,
  bindGroup: GPUBindGroup,
  passes: number,
  groups: number,
): Promise<number> {
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  for (let done = 0; done < passes; done += 1) pass.dispatchWorkgroups(groups);
  pass.end();
  const began = performance.now();
  device.queue.submit([encoder.finish()]);
  await device.queue.onSubmittedWorkDone();
  return performance.now() - began;
}
