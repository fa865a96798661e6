/** Where a model comes from, and what loading it tells on the way. */

/** `mlc-prebuilt`: of WebLLM's own list. `mlc-record`: a model and a model library of the user's own. */
export type ModelSource =
  | { kind: 'gguf-url'; id: string; url: string; sizeBytes?: number }
  | { kind: 'gguf-file'; file: File }
  | { kind: 'mlc-prebuilt'; mlcId: string }
  | { kind: 'mlc-record'; id: string; modelUrl: string; modelLibUrl: string };

/** `check`: hashing the weights; `load`: into the engine's memory; `warm-up`: the first token, which compiles the rest. */
export interface LoadProgress {
  phase: 'download' | 'check' | 'load' | 'warm-up';
  loadedBytes: number;
  totalBytes: number | null;
  bytesPerSecond: number | null;
}

export interface LoadOptions {
  slots: number;
  onProgress(progress: LoadProgress): void;
  /** Aborting rejects the load with `cancelled` and leaves nothing running. */
  signal: AbortSignal;
  /** WebAssembly threads of llama.cpp. Absent: as many as this device is good for. */
  threads?: number;
}
