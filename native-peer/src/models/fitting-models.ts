/**
 * Which of several models this machine takes. Chosen before the first one is loaded: it would take the memory of the
 * others for its context, or be loaded for nothing.
 */
import { chooseFitting, type Dropped, MeshError } from '@tabmesh/shared';
import { formatBytes } from './format-bytes.ts';
import { sizeOfGguf } from './gguf-file.ts';
import type { FoundModel } from './model-store.ts';

export interface SizedModel extends FoundModel {
  readonly sizeBytes: number;
}

export interface FittingModels {
  readonly served: readonly SizedModel[];
  /** One sentence for each model that is left out. */
  readonly dropped: readonly string[];
}

/** @throws MeshError `model_invalid`, or `out_of_memory` when none fits */
export async function fittingModels(
  models: readonly FoundModel[],
  freeMemoryBytes: () => Promise<number>,
): Promise<FittingModels> {
  const sized = await Promise.all(models.map(async (model) => ({ ...model, sizeBytes: await sizeOfGguf(model.file) })));
  // With nothing to choose from, loading finds out, and counts the context as well.
  if (sized.length === 1) return { served: sized, dropped: [] };
  const { served, dropped } = chooseFitting(sized, await freeMemoryBytes());
  const [smallest] = dropped;
  if (served.length === 0 && smallest !== undefined) throw noneFits(smallest);
  return { served, dropped: dropped.map(sentenceOf) };
}

function sentenceOf({ model, reason, neededBytes, freeBytes }: Dropped<SizedModel>): string {
  const free =
    reason === 'too-large' ? formatBytes(freeBytes) : `beside the smaller ones only ${formatBytes(freeBytes)}`;
  return `${model.id} is not served: it needs ${formatBytes(neededBytes)} of memory, but ${free} are free.`;
}

function noneFits({ model, neededBytes, freeBytes }: Dropped<SizedModel>): MeshError {
  return new MeshError(
    'out_of_memory',
    `None of these models fits: ${model.id}, the smallest, needs ${formatBytes(neededBytes)} of memory, but ` +
      `${formatBytes(freeBytes)} are free. Close other programs or choose a smaller model.`,
    { details: { neededBytes, freeBytes } },
  );
}
