/** A native peer with llama.cpp: of several models it loads and serves those that fit together. */
import { type Engine, MeshError } from '@tabmesh/shared';
import { fittingModels, type SizedModel } from '../models/fitting-models.ts';
import type { FoundModel } from '../models/model-store.ts';
import { type NativePeer, openServing, type ServingOptions } from '../peer/serving.ts';
import { type LlamaEngineOptions, loadLlamaEngine } from './load-llama-engine.ts';

export interface NativePeerOptions
  extends ServingOptions,
    Pick<LlamaEngineOptions, 'slots' | 'contextTokens' | 'threads' | 'gpu' | 'hashCacheFile' | 'onProgress'> {
  readonly models: readonly FoundModel[];
  /** What models can have of this machine's memory. */
  readonly freeMemoryBytes: () => Promise<number>;
  /** Called once per model that is left out for lack of memory, with a sentence that says so. */
  readonly onDropped: (sentence: string) => void;
}

/** @throws MeshError of `fittingModels` and `loadLlamaEngine`, or the entry's refusal. Nothing is left running then. */
export async function startNativePeer(options: NativePeerOptions, signal: AbortSignal): Promise<NativePeer> {
  const { logger } = options;
  const { served, dropped } = await fittingModels(options.models, options.freeMemoryBytes);
  for (const sentence of dropped) options.onDropped(sentence);
  const serving = openServing(options);
  const { load } = serving;
  let isNoneServed = true;
  try {
    for (const [index, model] of served.entries()) {
      const later = served.slice(index + 1);
      const isLastHope = isNoneServed && later.length === 0;
      // What is loading takes the machine as much as a job does.
      load.jobBegins();
      const engine = await loadIfItFits(model, later, isLastHope, options, signal);
      load.jobEnds();
      if (engine === undefined) continue;
      isNoneServed = false;
      engine.onLost((error) => {
        logger.error({ model: model.id, error: error.message }, 'A model is lost.');
        serving.fail(error);
      });
      await serving.serve(engine, signal);
    }
  } catch (error) {
    await serving.close();
    throw error;
  }
  return serving;
}

/** Undefined: its context finds no room beside the other models, which are served all the same. */
async function loadIfItFits(
  { id, file }: SizedModel,
  later: readonly SizedModel[],
  isLastHope: boolean,
  options: NativePeerOptions,
  signal: AbortSignal,
): Promise<Engine | undefined> {
  const laterSizesBytes = later.map(({ sizeBytes }) => sizeBytes);
  try {
    return await loadLlamaEngine({ ...options, file, modelId: id, laterSizesBytes, signal });
  } catch (error) {
    if (isLastHope || !MeshError.is(error, 'out_of_memory')) throw error;
    options.onDropped(`${id} is not served. ${error.message}`);
    return undefined;
  }
}
