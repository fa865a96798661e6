/** A model that no machine can hold: a sound header, and a file that takes no room because nothing of it is written. */
import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { dirname } from 'node:path';
import { ggufHeader } from './gguf-header-bytes.ts';

const WIDTH = 4096;
const FLOAT_BYTES = 4;

/** Four times the memory of this machine. */
export async function writeHugeModel(file: string): Promise<void> {
  const rows = Math.ceil((totalmem() * 4) / (WIDTH * FLOAT_BYTES));
  const header = ggufHeader({
    metadata: [
      ['general.architecture', 'llama'],
      ['llama.context_length', 4096],
      ['llama.embedding_length', WIDTH],
      ['llama.block_count', 1],
      ['llama.attention.head_count', 32],
    ],
    tensor: { name: 'token_embd.weight', dimensions: [WIDTH, rows] },
  });
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, header);
  await truncate(file, header.length + rows * WIDTH * FLOAT_BYTES);
}
