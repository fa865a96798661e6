/** A GGUF file of a vocabulary alone, of byte pairs and without merges: every byte of a text is a token. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BYTE_OF } from '@tabmesh/shared/token-floor';
import { ggufString, uint32, uint64 } from './gguf-header-bytes.ts';

const UINT32 = 4;
const FLOAT32 = 6;
const STRING = 8;
const ARRAY = 9;

/** @param rules llama.cpp's name for how the text is cut into words before it is cut into tokens */
export async function writeBytePairVocabulary(folder: string, rules: string): Promise<string> {
  const keys = [
    text('general.architecture', 'llama'),
    number('llama.context_length', 2048),
    number('llama.embedding_length', 64),
    number('llama.block_count', 1),
    number('llama.feed_forward_length', 64),
    number('llama.attention.head_count', 1),
    Buffer.concat([ggufString('llama.attention.layer_norm_rms_epsilon'), uint32(FLOAT32), float32(1e-5)]),
    text('tokenizer.ggml.model', 'gpt2'),
    text('tokenizer.ggml.pre', rules),
    texts('tokenizer.ggml.tokens', [...BYTE_OF.keys(), 'zz']),
    texts('tokenizer.ggml.merges', ['z z']),
  ];
  const header = Buffer.concat([Buffer.from('GGUF'), uint32(3), uint64(0), uint64(keys.length), ...keys]);
  const file = join(folder, `${rules}.gguf`);
  await writeFile(file, header);
  return file;
}

function text(key: string, value: string): Buffer {
  return Buffer.concat([ggufString(key), uint32(STRING), ggufString(value)]);
}

function texts(key: string, values: readonly string[]): Buffer {
  return Buffer.concat([
    ggufString(key),
    uint32(ARRAY),
    uint32(STRING),
    uint64(values.length),
    ...values.map(ggufString),
  ]);
}

function number(key: string, value: number): Buffer {
  return Buffer.concat([ggufString(key), uint32(UINT32), uint32(value)]);
}

function float32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}
