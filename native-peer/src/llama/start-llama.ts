/** llama.cpp itself, before any model: the ready-made binary that suits this machine. */
import { availableParallelism } from 'node:os';
import { type Logger, MeshError, silentLogger } from '@tabmesh/shared';
import { getLlama, type Llama, LlamaLogLevel } from 'node-llama-cpp';
import { mayHaveGpu } from './gpu-device.ts';
import { missingLlama } from './missing-llama.ts';

export interface LlamaOptions {
  /** Absent: every core but one, which the links and the HTTP server need. */
  readonly threads?: number | undefined;
  readonly gpu?: 'auto' | 'off' | undefined;
  readonly logger?: Logger | undefined;
}

/** @throws MeshError `unsupported` */
export async function startLlama({ gpu, threads, logger = silentLogger }: LlamaOptions): Promise<Llama> {
  const missing = missingLlama();
  if (missing !== undefined) throw new MeshError('unsupported', missing);
  try {
    return await getLlama({
      build: 'never',
      gpu: gpu !== 'off' && mayHaveGpu() ? 'auto' : false,
      // The library's own default of at least 4 threads makes two cores two thousand times slower.
      maxThreads: threads ?? Math.max(1, availableParallelism() - 1),
      logLevel: LlamaLogLevel.warn,
      logger: (level, message) => logger.debug({ level }, `llama.cpp: ${message.trimEnd()}`),
    });
  } catch (cause) {
    throw new MeshError(
      'unsupported',
      'llama.cpp has no ready-made binary that runs on this machine. Lend a browser tab instead, or run tabmesh doctor.',
      { cause },
    );
  }
}
