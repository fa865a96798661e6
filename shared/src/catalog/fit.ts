/**
 * Which models a machine can hold: the same rule for a tab that offers models, a native peer that loads
 * them and a command that lists them.
 */

/** Weights need a little more than their file: the graph's buffers, alignment. A context comes on top. */
const WEIGHTS_FACTOR = 1.1;

/** The fast memory that the weights of a file take. */
export function memoryNeededBytes(sizeBytes: number): number {
  return sizeBytes * WEIGHTS_FACTOR;
}

export function fitsIn(memoryBytes: number, sizeBytes: number): boolean {
  return memoryNeededBytes(sizeBytes) <= memoryBytes;
}

export interface Fitting<Model> {
  /** In the order in which they were asked for. */
  readonly served: readonly Model[];
  readonly dropped: readonly Dropped<Model>[];
}

export interface Dropped<Model> {
  readonly model: Model;
  /** `too-large`: for this machine. `no-room-left`: it would fit alone, but not beside the served ones. */
  readonly reason: 'too-large' | 'no-room-left';
  readonly neededBytes: number;
  /** All the memory, or what the served models leave of it. */
  readonly freeBytes: number;
}

/**
 * The models that fit together, the smaller ones first: a whole model on one machine answers faster than a large one that
 * swaps or is split.
 */
export function chooseFitting<Model extends { readonly sizeBytes: number }>(
  models: readonly Model[],
  memoryBytes: number,
): Fitting<Model> {
  const served = new Set<Model>();
  const dropped: Dropped<Model>[] = [];
  let leftBytes = memoryBytes;
  for (const model of [...models].sort((a, b) => a.sizeBytes - b.sizeBytes)) {
    const neededBytes = memoryNeededBytes(model.sizeBytes);
    if (neededBytes <= leftBytes) {
      served.add(model);
      leftBytes -= neededBytes;
    } else if (neededBytes <= memoryBytes) {
      dropped.push({ model, reason: 'no-room-left', neededBytes, freeBytes: leftBytes });
    } else {
      dropped.push({ model, reason: 'too-large', neededBytes, freeBytes: memoryBytes });
    }
  }
  return { served: models.filter((model) => served.has(model)), dropped };
}
