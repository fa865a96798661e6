/** The page's side of `webllm-worker.ts`: WebLLM as the adapter wants it, and loading. */
import { MeshError } from '@tabmesh/shared';
import { gpuLost, type WebllmChunk, type WebllmLike } from './webllm-adapter.ts';
import type { MlcListing, MlcToLoad, WebllmCommand, WebllmReport } from './webllm-messages.ts';
import type { WebllmRequest } from './webllm-request.ts';

export interface WebllmClient extends WebllmLike {
  /** Rejects with WebLLM's text. `progress` is a share from 0 to 1. */
  load(model: MlcToLoad, onProgress: (progress: number, text: string) => void): Promise<void>;
  /** Rejects once the worker has broken or its GPU is gone: calls are then never answered. Never resolves. */
  readonly lost: Promise<never>;
  terminate(): void;
}

/** WebLLM's list of models; starts and ends a worker, so that the page itself never holds the package. */
export async function listMlcModels(): Promise<readonly MlcListing[]> {
  const connection = connect();
  try {
    return await Promise.race([connection.call((call) => ({ type: 'list', call })), connection.lost]);
  } finally {
    connection.terminate();
  }
}

export function startWebllm(): WebllmClient {
  const { call, chunks, post, onProgress, lost, terminate } = connect();
  const completions = {
    create: (request: WebllmRequest) => Promise.resolve(chunks((id) => ({ type: 'answer', call: id, request }))),
  };
  return {
    chat: { completions },
    completions,
    interruptGenerate: () => post({ type: 'interrupt' }),
    async resetChat() {
      await call((id) => ({ type: 'reset', call: id }));
    },
    async unload() {
      await call((id) => ({ type: 'unload', call: id }));
    },
    async load(model, report) {
      onProgress(report);
      await call((id) => ({ type: 'load', call: id, model }));
    },
    lost,
    terminate,
  };
}

interface PendingCall {
  onChunk(chunk: WebllmChunk): void;
  onDone(models: readonly MlcListing[]): void;
  onFailed(reason: string): void;
}

type NewCommand = (call: number) => WebllmCommand;

function connect() {
  const worker = new Worker(new URL('./webllm-worker.ts', import.meta.url), { type: 'module' });
  const pending = new Map<number, PendingCall>();
  let calls = 0;
  let reportProgress = (_progress: number, _text: string) => {};
  let lose = (_error: MeshError) => {};
  const lost = new Promise<never>((_, reject) => {
    lose = reject;
  });
  // Who waits for it hears it; nobody does after the engine was closed.
  lost.catch(() => {});

  worker.addEventListener('error', ({ message }) => lose(MeshError.engineFailed(`its worker broke: ${message}`)));
  worker.addEventListener('message', ({ data }: MessageEvent<WebllmReport>) => {
    if (data.type === 'device-lost') return lose(gpuLost(data.reason));
    if (data.type === 'progress') return reportProgress(data.progress, data.text);
    const caller = pending.get(data.call);
    if (data.type === 'chunk') return caller?.onChunk(data.chunk);
    pending.delete(data.call);
    if (data.type === 'failed') caller?.onFailed(data.reason);
    else caller?.onDone(data.type === 'listed' ? data.models : []);
  });

  const post = (command: WebllmCommand) => worker.postMessage(command);
  function start(command: NewCommand, caller: PendingCall): void {
    calls += 1;
    pending.set(calls, caller);
    post(command(calls));
  }

  return {
    lost,
    post,
    terminate: () => worker.terminate(),
    onProgress(report: (progress: number, text: string) => void) {
      reportProgress = report;
    },
    call(command: NewCommand): Promise<readonly MlcListing[]> {
      return new Promise((resolve, reject) => {
        start(command, { onChunk() {}, onDone: resolve, onFailed: (reason) => reject(new Error(reason)) });
      });
    },
    /** The worker sends without being asked: at most the chunks of one answer wait here. */
    async *chunks(command: NewCommand): AsyncGenerator<WebllmChunk> {
      const stream = new ReadableStream<WebllmChunk>({
        start(out) {
          start(command, {
            onChunk: (chunk) => out.enqueue(chunk),
            onDone: () => out.close(),
            onFailed: (reason) => out.error(new Error(reason)),
          });
        },
      }).getReader();
      for (let next = await stream.read(); !next.done; next = await stream.read()) yield next.value;
    },
  };
}
