/** Why WebLLM could not load a model. Its errors reach the page as text, often without the cause; see the tests. */
import { MeshError } from '@tabmesh/shared';
import { gpuLost } from './webllm-adapter.ts';

export function webllmLoadError(error: unknown, libraryUrl: string): MeshError {
  if (MeshError.is(error)) return error;
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  if (/LinkError|CompileError|WebAssembly\.(instantiate|compile)|function import requires/i.test(text)) {
    return new MeshError(
      'model_invalid',
      `The model library ${libraryUrl} is none for this version of WebLLM. Choose the library of the same version.`,
      { cause: error },
    );
  }
  if (/shader-f16/i.test(text)) return needsShaderF16(error);
  if (/quota|no space/i.test(text)) {
    return new MeshError(
      'download_failed',
      'The browser has no room left for this model. Free disk space or choose a smaller model.',
      { cause: error },
    );
  }
  if (/DeviceLost|device was lost|out of memory|OOM|Failed to allocate|exceeds the max buffer/i.test(text)) {
    return gpuLost(text, error);
  }
  if (/compatible GPU|WebGPU is not supported|Cannot find WebGPU|requestAdapter/i.test(text)) {
    return new MeshError('unsupported', 'WebGPU gave no adapter to the engine. Restart the browser and try again.', {
      cause: error,
    });
  }
  if (/'Cache'|Cannot fetch|Failed to fetch|NetworkError|network error/i.test(text)) {
    return new MeshError(
      'download_failed',
      'A part of the model could not be downloaded. Check the connection and load it again; what arrived is kept.',
      { retryable: true, cause: error },
    );
  }
  return MeshError.engineFailed(`WebLLM could not load the model: ${text}`, error);
}

export function needsShaderF16(cause?: unknown): MeshError {
  return new MeshError(
    'unsupported',
    "This model computes in half precision, which this GPU or browser has not (WebGPU's shader-f16). Choose a model with f32 in its name.",
    { cause },
  );
}
