/**
 * WebLLM runs here, away from the page's thread. Only calls that WebLLM has had for long, so that an older package can
 * stand in for the present one.
 */
import { MLCEngine, prebuiltAppConfig } from '@mlc-ai/web-llm';

import type { WebllmChunk } from './webllm-adapter.ts';
import type { MlcListing, MlcToLoad, WebllmCommand, WebllmReport } from './webllm-messages.ts';
import type { WebllmRequest } from './webllm-request.ts';

const MIB = 1024 ** 2;
let engine: MLCEngine | undefined;

addEventListener('message', ({ data }: MessageEvent<WebllmCommand>) => {
  if (data.type === 'interrupt') void engine?.interruptGenerate();
  else run(data).catch((error: unknown) => post({ type: 'failed', call: data.call, reason: String(error) }));
});

// WebLLM tells nobody that its device is lost, and answers nothing any more.
if ('gpu' in navigator) {
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = async function watched(...options) {
    const device = await requestDevice.apply(this, options);
    void device.lost.then(({ reason, message }) => {
      if (reason !== 'destroyed') post({ type: 'device-lost', reason: message });
    });
    return device;
  };
}

async function run(command: Exclude<WebllmCommand, { type: 'interrupt' }>): Promise<void> {
  const { call } = command;
  switch (command.type) {
    case 'list':
      post({ type: 'listed', call, models: prebuiltAppConfig.model_list.map(listingOf) });
      return;
    case 'load':
      await load(command.model);
      break;
    case 'answer':
      await answer(call, command.request);
      break;
    case 'reset':
      await engine?.resetChat();
      break;
    case 'unload':
      await engine?.unload();
      break;
  }
  post({ type: 'done', call });
}

async function load({ mlcId, modelUrl, libraryUrl, features, contextTokens }: MlcToLoad): Promise<void> {
  engine = new MLCEngine({
    logLevel: 'SILENT',
    initProgressCallback: ({ progress, text }) => post({ type: 'progress', progress, text }),
    appConfig: {
      model_list: [
        {
          model: modelUrl,
          model_id: mlcId,
          model_lib: libraryUrl,
          required_features: [...features],
          ...(contextTokens === undefined ? {} : { overrides: { context_window_size: contextTokens } }),
        },
      ],
    },
  });
  await engine.reload(mlcId);
}

async function answer(call: number, request: WebllmRequest): Promise<void> {
  if (engine === undefined) throw new Error('no model is loaded');
  const chunks: AsyncIterable<WebllmChunk> =
    'prompt' in request ? await engine.completions.create(request) : await engine.chat.completions.create(request);
  for await (const chunk of chunks) post({ type: 'chunk', call, chunk });
}

function listingOf(record: (typeof prebuiltAppConfig.model_list)[number]): MlcListing {
  return {
    mlcId: record.model_id,
    modelUrl: record.model,
    libraryUrl: record.model_lib,
    memoryBytes: Math.round((record.vram_required_MB ?? 0) * MIB),
    features: record.required_features ?? [],
    bufferBytes: record.buffer_size_required_bytes ?? 0,
    contextTokens: record.overrides?.context_window_size,
    isChat: (record.model_type ?? 0) === 0,
  };
}

function post(report: WebllmReport): void {
  postMessage(report);
}
