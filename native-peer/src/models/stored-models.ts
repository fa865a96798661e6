/**
 * What lies in the folder of models, as people count it: a model in several parts is one, and the beginning of a download
 * belongs to the model that it will be.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelId } from '@tabmesh/shared';
import { type GgufPart, ggufPartNames, ggufPartOf, listParts } from '@tabmesh/shared/gguf-parts';
import { sizeOf } from './size-of.ts';

export interface StoredModel {
  readonly id: string;
  /** Where all its files belong, in order, whether they are there or not. */
  readonly files: readonly string[];
  /** Names of the ones that are not there, whole. */
  readonly missing: readonly string[];
  /** Of what is there, beginnings of downloads included. */
  readonly sizeBytes: number;
}

/** Of a whole model. With `part` the name of that part. */
export function storedName(id: ModelId, part?: Omit<GgufPart, 'stem'>): string {
  const whole = `${encodeURIComponent(id)}.gguf`;
  if (part === undefined || part.count === 1) return whole;
  const { index, count } = part;
  const [index5, count5] = [index, count].map((value) => String(value).padStart(5, '0'));
  return whole.replace(/\.gguf$/, `-${index5}-of-${count5}.gguf`);
}

export async function storedModels(folder: string): Promise<readonly StoredModel[]> {
  const names = (await readdir(folder)).filter((name) => /\.gguf(\.part)?$/.test(name)).sort();
  const present = new Set(names);
  const seen = new Set<string>();
  const models: StoredModel[] = [];
  for (const found of names) {
    const name = found.replace(/\.part$/, '');
    const parts = ggufPartNames(name);
    if (seen.has(parts[0] ?? name)) continue;
    seen.add(parts[0] ?? name);
    const here = parts.flatMap((part) => [part, `${part}.part`]).filter((part) => present.has(part));
    const sizes = await Promise.all(here.map((part) => sizeOf(join(folder, part))));
    models.push({
      id: nameIn(ggufPartOf(name)?.stem ?? name),
      files: parts.map((part) => join(folder, part)),
      missing: parts.filter((part) => !present.has(part)),
      sizeBytes: sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0),
    });
  }
  return models;
}

/** In one sentence, for a model of which some parts are here and others not; undefined for every other one. */
export function missingPartsOf({ id, files, missing }: StoredModel): string | undefined {
  if (missing.length === 0 || files.length === 1) return undefined;
  const are = missing.length === 1 ? 'is' : 'are';
  return `${id} has ${files.length} parts, of which ${listParts(missing)} ${are} missing.`;
}

/** Of a file in the folder, or of the stem of a part. */
function nameIn(fileName: string): string {
  return decodeURIComponent(fileName.replace(/\.gguf$/, ''));
}
