/** Loads a model into the engine that can run it. Each engine is its own chunk, so that pages start without them. */
import type { Engine } from '@tabmesh/shared';
import type { LoadOptions, ModelSource } from './kit/model-source.ts';

/**
 * Rejects with a `MeshError`: `download_failed`, `checksum_mismatch`, `model_invalid`, `out_of_memory`, `unsupported`,
 * `invalid_request`, `engine_failed`, or `cancelled`.
 */
export async function loadEngine(source: ModelSource, options: LoadOptions): Promise<Engine> {
  switch (source.kind) {
    case 'gguf-url':
    case 'gguf-file': {
      const { loadWllamaEngine } = await import('./wllama/wllama-engine.ts');
      return loadWllamaEngine(source, options);
    }
    case 'mlc-prebuilt':
    case 'mlc-record': {
      const { loadWebllmEngine } = await import('./webllm/webllm-engine.ts');
      return loadWebllmEngine(source, options);
    }
  }
}
