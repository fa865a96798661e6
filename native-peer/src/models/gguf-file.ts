/**
 * What a GGUF file says of itself, read before any native code touches it: a file that is cut off or no GGUF is refused
 * here with a sentence instead of failing somewhere inside llama.cpp.
 */
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { MeshError } from '@tabmesh/shared';
import { GgufInsights, type Llama, readGgufFileInfo } from 'node-llama-cpp';
import { checkGgufHeader, invalid } from './gguf-header.ts';

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
 * The file and, when it is the first of several parts, the others.
 * @throws MeshError `model_invalid`
 */
export async function checkGgufParts(file: string): Promise<readonly string[]> {
  const paths = partsOf(file);
  for (const path of paths) await checkGgufHeader(path);
  return paths;
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
    throw invalid(name, `is cut off: it has ${sizeBytes} bytes`);
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

/** `x-00001-of-00003.gguf` stands for all three files, as in llama.cpp. */
function partsOf(file: string): readonly string[] {
  const match = /^(.*-)\d{5}(-of-(\d{5})\.gguf)$/.exec(file);
  if (match === null) return [file];
  const [, before, after, count] = match;
  return Array.from({ length: Number(count) }, (_, index) => `${before}${String(index + 1).padStart(5, '0')}${after}`);
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
