/**
 * A model of some 200 MB with random weights: it says nonsense, but as fast and with as much memory traffic as a trained
 * one. About 100 tok/s on one core of 2026. Written once and kept in the temporary directory.
 */
import { existsSync, readFileSync, renameSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  countValue,
  floatValue,
  integersOf,
  type KeyValue,
  Q8_0_BLOCK_BYTES,
  readKeyValues,
  type Tensor,
  tensorBytes,
  textValue,
  writeGguf,
} from './write-gguf.ts';

const WIDTH = 1024;
const KEY_WIDTH = 256;
const FEED_FORWARD = 2816;
const BLOCKS = 16;
const HEADS = 16;
const CONTEXT_TOKENS = 4096;
const Q8_0_FILE_TYPE = 7;
/** 2⁻¹², as half-precision bits: weights with a deviation of 0.009. */
const SCALE_BITS = 0x0c00;
/** Change it with the recipe: a kept file of another one is not used. */
const RECIPE = 2;

/** The path of the file. `tokenizerFrom`: a GGUF whose tokenizer it takes over. */
export function randomModel(tokenizerFrom: string): string {
  const file = join(tmpdir(), `tabmesh-bench-random-${RECIPE}.gguf`);
  if (existsSync(file)) return file;
  const tokenizer = readKeyValues(readFileSync(tokenizerFrom)).filter(({ key }) => key.startsWith('tokenizer.'));
  const draft = `${file}.${process.pid}.tmp`;
  writeGguf(draft, [...description(), ...tokenizer], tensors(tokenTypes(tokenizer)));
  renameSync(draft, file);
  return file;
}

export function megabytes(file: string): number {
  return Math.round(statSync(file).size / 1e6);
}

function description(): KeyValue[] {
  return [
    textValue('general.architecture', 'llama'),
    textValue('general.name', 'random'),
    countValue('general.file_type', Q8_0_FILE_TYPE),
    countValue('llama.context_length', CONTEXT_TOKENS),
    countValue('llama.embedding_length', WIDTH),
    countValue('llama.block_count', BLOCKS),
    countValue('llama.feed_forward_length', FEED_FORWARD),
    countValue('llama.attention.head_count', HEADS),
    countValue('llama.attention.head_count_kv', (HEADS * KEY_WIDTH) / WIDTH),
    floatValue('llama.attention.layer_norm_rms_epsilon', 1e-5),
    countValue('llama.rope.dimension_count', WIDTH / HEADS),
  ];
}

function tokenTypes(tokenizer: readonly KeyValue[]): number[] {
  const types = tokenizer.find(({ key }) => key === 'tokenizer.ggml.token_type');
  return types === undefined ? [] : integersOf(types);
}

function tensors(types: readonly number[]): Tensor[] {
  const vocabulary = types.length;
  const random = randomWords();
  const matrix = (
    name: string,
    columns: number,
    rows: number,
    isZero: (row: number) => boolean = () => false,
  ): Tensor => ({
    name: `${name}.weight`,
    dimensions: [columns, rows],
    type: 'Q8_0',
    data: () => randomRows(columns, rows, random, isZero),
  });
  const norm = (name: string): Tensor => ({
    name: `${name}.weight`,
    dimensions: [WIDTH],
    type: 'F32',
    data: () => new Uint8Array(new Float32Array(WIDTH).fill(1).buffer),
  });
  return [
    matrix('token_embd', WIDTH, vocabulary),
    norm('output_norm'),
    // Control tokens and single bytes get logit 0, which never wins: no answer ends early, none is broken Unicode.
    matrix('output', WIDTH, vocabulary, (row) => types[row] !== NORMAL_TOKEN),
    ...Array.from({ length: BLOCKS }, (_, block) => [
      norm(`blk.${block}.attn_norm`),
      matrix(`blk.${block}.attn_q`, WIDTH, WIDTH),
      matrix(`blk.${block}.attn_k`, WIDTH, KEY_WIDTH),
      matrix(`blk.${block}.attn_v`, WIDTH, KEY_WIDTH),
      matrix(`blk.${block}.attn_output`, WIDTH, WIDTH),
      norm(`blk.${block}.ffn_norm`),
      matrix(`blk.${block}.ffn_gate`, WIDTH, FEED_FORWARD),
      matrix(`blk.${block}.ffn_up`, WIDTH, FEED_FORWARD),
      matrix(`blk.${block}.ffn_down`, FEED_FORWARD, WIDTH),
    ]).flat(),
  ];
}

const NORMAL_TOKEN = 1;

function randomRows(columns: number, rows: number, random: () => number, isZero: (row: number) => boolean): Uint8Array {
  const rowBytes = tensorBytes({ dimensions: [columns], type: 'Q8_0' });
  const bytes = Buffer.alloc(rowBytes * rows);
  for (let row = 0; row < rows; row += 1) {
    if (isZero(row)) continue;
    for (let at = row * rowBytes; at < (row + 1) * rowBytes; at += Q8_0_BLOCK_BYTES) {
      bytes.writeUInt16LE(SCALE_BITS, at);
      for (let word = 2; word < Q8_0_BLOCK_BYTES; word += 4) bytes.writeUInt32LE(fourWeights(random()), at + word);
    }
  }
  return bytes;
}

/** Each byte's two upper bits are made equal, so that it is a signed number from −64 to 63: −128 is no valid weight. */
function fourWeights(word: number): number {
  const sevenBits = word & 0x7f7f7f7f;
  return (sevenBits | ((sevenBits & 0x40404040) << 1)) >>> 0;
}

/** xorshift32: the same file on every machine. */
function randomWords(): () => number {
  let state = 0x9e3779b9;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
