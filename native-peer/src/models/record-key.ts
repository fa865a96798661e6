/** The names that files of models go by here. */
import { basename } from 'node:path';
import type { ModelId } from '@tabmesh/shared';
import { ggufPartNames } from '@tabmesh/shared/gguf-parts';

/** Under which a file's record is kept: its name without the ending. */
export function recordKey(file: string): string {
  return decodeURIComponent(basename(file).replace(/\.gguf$/, ''));
}

/** The names of a model's parts can't be the name of another model. */
export function isPartName(id: ModelId): boolean {
  return ggufPartNames(`${id}.gguf`).length > 1;
}
