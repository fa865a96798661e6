/** mesh-tiny with room for long conversations. It was trained for 1,024 tokens: beyond them it says nonsense, as fast. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TINY } from './embedded-models.ts';

const KEY = 'llama.context_length';
/** Behind the key: the value's type. */
const TYPE_BYTES = 4;

/** Writes it into the folder and returns its path. */
export async function writeLongContextModel(folder: string, contextTokens: number): Promise<string> {
  const gguf = await readFile(TINY);
  gguf.writeUInt32LE(contextTokens, gguf.indexOf(KEY) + KEY.length + TYPE_BYTES);
  const file = join(folder, 'long-tiny.gguf');
  await writeFile(file, gguf);
  return file;
}
