/**
 * What the page and the worker that runs WebLLM say to each other. WebLLM's own page side is not used: its package is one
 * piece of 6 MB, which the page would have to load for it.
 */
import type { WebllmChunk } from './webllm-adapter.ts';
import type { WebllmRequest } from './webllm-request.ts';

/** A record of WebLLM's model list. */
export interface MlcListing {
  readonly mlcId: string;
  readonly modelUrl: string;
  readonly libraryUrl: string;
  /** Memory of the GPU; the download is a little smaller. */
  readonly memoryBytes: number;
  readonly features: readonly string[];
  readonly bufferBytes: number;
  readonly contextTokens: number | undefined;
  /** Not one that makes vectors or looks at pictures. */
  readonly isChat: boolean;
}

export type MlcToLoad = Pick<MlcListing, 'mlcId' | 'modelUrl' | 'libraryUrl' | 'features' | 'contextTokens'>;

/** `call` numbers what wants an answer. */
export type WebllmCommand =
  | { readonly type: 'list'; readonly call: number }
  | { readonly type: 'load'; readonly call: number; readonly model: MlcToLoad }
  | { readonly type: 'answer'; readonly call: number; readonly request: WebllmRequest }
  | { readonly type: 'reset'; readonly call: number }
  | { readonly type: 'unload'; readonly call: number }
  | { readonly type: 'interrupt' };

/** Each call ends with `done`, `listed` or `failed`. `reason` is WebLLM's or the driver's text. */
export type WebllmReport =
  | { readonly type: 'listed'; readonly call: number; readonly models: readonly MlcListing[] }
  | { readonly type: 'progress'; readonly progress: number; readonly text: string }
  | { readonly type: 'chunk'; readonly call: number; readonly chunk: WebllmChunk }
  | { readonly type: 'done'; readonly call: number }
  | { readonly type: 'failed'; readonly call: number; readonly reason: string }
  | { readonly type: 'device-lost'; readonly reason: string };
