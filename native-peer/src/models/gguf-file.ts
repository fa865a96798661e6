/**
 * What a GGUF file says of itself, read before any native code touches it: a file that is cut off or no GGUF is refused
 * here with a sentence instead of failing somewhere inside llama.cpp.
 */
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { MeshError } from '@tabmesh/shared';
import { ggufPartNames, listParts } from '@tabmesh/shared/gguf-parts';
import { GgufInsights, type Llama, readGgufFileInfo } from 'node-llama-cpp';
import { checkGgufHeader, invalid } from './gguf-header.ts';
import { sizeOf } from './size-of.ts';

export interface GgufFile {
  /** One, or all parts of a split file in order. */
  readonly paths: readonly string[];
  readonly sizeBytes: number;
  /** `tokenizer.chat_template`; empty when the file has none. */
  readonly chatTemplate: string;
  /** `general.file_type` in decimal; empty when absent. */
  readonly quantization: string;
  /** What the model was trained for. */
  readonly contextTokens: number;
  readonly insights: GgufInsights;
}

/**
 * The file or, when it is one of several parts, all of them in order.
 * @throws MeshError `model_invalid`
 */
export async function checkGgufParts(file: string): Promise<readonly string[]> {
  const paths = ggufPartNames(file);
  if (paths.length > 1) await refuseMissingParts(file, paths);
  for (const path of paths) await checkGgufHeader(path);
  return paths;
}

async function refuseMissingParts(file: string, paths: readonly string[]): Promise<void> {
  const sizes = await Promise.all(paths.map(sizeOf));
  const missing = paths.filter((_, index) => sizes[index] === undefined).map((path) => basename(path));
  if (missing.length === 0) return;
  const are = missing.length === 1 ? 'is' : 'are';
  throw MeshError.modelInvalid(
    `${basename(file)} is one of ${paths.length} parts, and ${listParts(missing)} ${are} missing in ${dirname(file)}. Put all parts there, or pull the model again.`,
  );
}

/**
 * Of all parts together.
 * @throws MeshError `model_invalid`
 */
export async function sizeOfGguf(file: string): Promise<number> {
  return sizeOfParts(await checkGgufParts(file));
}

/**
 * @param paths what `checkGgufParts` returned.
 * @throws MeshError `model_invalid`
 */
export async function readGguf(paths: readonly string[], llama: Llama, signal?: AbortSignal): Promise<GgufFile> {
  const [file = ''] = paths;
  const name = basename(file);
  const info = await readInfo(file, name, signal);
  let insights: GgufInsights;
  try {
    insights = await GgufInsights.from(info, llama);
  } catch (cause) {
    throw invalid(name, 'has a damaged table of tensors', cause);
  }
  const sizeBytes = await sizeOfParts(paths);
  // The reader takes zeros for what lies past the end, so the sum of header and tensors is what gives a cut-off file away.
  const expectedBytes = (info.infoEndOffset ?? 0) + insights.modelSize;
  if (!(sizeBytes >= expectedBytes) || (info.tensorInfo ?? []).length === 0) {
    throw invalid(name, `is cut off: it has ${sizeBytes} of ${expectedBytes} bytes`);
  }
  return {
    paths,
    sizeBytes,
    chatTemplate: info.metadata.tokenizer?.chat_template ?? '',
    quantization: String(info.metadata.general?.file_type ?? ''),
    contextTokens: insights.trainContextSize ?? 4096,
    insights,
  };
}

async function sizeOfParts(paths: readonly string[]): Promise<number> {
  const sizes = await Promise.all(paths.map(async (path) => (await stat(path)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function readInfo(file: string, name: string, signal: AbortSignal | undefined) {
  try {
    const info = await readGgufFileInfo(file, {
      sourceType: 'filesystem',
      logWarnings: false,
      ...(signal === undefined ? {} : { signal }),
    });
    if (info.metadata.general?.architecture === undefined) throw new Error('no architecture');
    return info;
  } catch (cause) {
    if (signal?.aborted) throw MeshError.cancelled();
    throw invalid(name, 'has a damaged or cut-off header', cause);
  }
}
