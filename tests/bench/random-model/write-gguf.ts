/**
 * Just enough of the GGUF format to write a model file: header, key-values, a table of tensors, their data. Key-values of
 * another file can be taken over as they are, so a written model gets a real tokenizer without anything being downloaded.
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
import { closeSync, openSync, writeSync } from 'node:fs';

/** Encoded: key, type, value. */
export interface KeyValue {
  readonly key: string;
  readonly bytes: Buffer;
}

export interface Tensor {
  readonly name: string;
  /** As ggml counts them: the length of a row first. */
  readonly dimensions: readonly number[];
  readonly type: 'F32' | 'Q8_0';
  /** Called when it is written, so that a large file is never whole in memory. */
  data(): Uint8Array;
}

export function writeGguf(file: string, keyValues: readonly KeyValue[], tensors: readonly Tensor[]): void {
  const infos: Buffer[] = [];
  let offset = 0;
  for (const tensor of tensors) {
    const dimensions = tensor.dimensions.map(uint64);
    infos.push(
      string(tensor.name),
      uint32(dimensions.length),
      ...dimensions,
      uint32(TYPE[tensor.type]),
      uint64(offset),
    );
    offset += aligned(tensorBytes(tensor));
  }
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    uint32(VERSION),
    uint64(tensors.length),
    uint64(keyValues.length),
    ...keyValues.map(({ bytes }) => bytes),
    ...infos,
  ]);
  const descriptor = openSync(file, 'w');
  try {
    writeSync(descriptor, padded(head));
    for (const tensor of tensors) writeSync(descriptor, padded(tensor.data()));
  } finally {
    closeSync(descriptor);
  }
}

export function textValue(key: string, value: string): KeyValue {
  return { key, bytes: Buffer.concat([string(key), uint32(STRING), string(value)]) };
}

export function countValue(key: string, value: number): KeyValue {
  return { key, bytes: Buffer.concat([string(key), uint32(UINT32), uint32(value)]) };
}

export function floatValue(key: string, value: number): KeyValue {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return { key, bytes: Buffer.concat([string(key), uint32(FLOAT32), bytes]) };
}

/** The key-values of a GGUF file whose bytes are given, each as it stands there. */
export function readKeyValues(gguf: Buffer): KeyValue[] {
  const count = Number(gguf.readBigUInt64LE(16));
  const keyValues: KeyValue[] = [];
  let at = 24;
  for (let index = 0; index < count; index += 1) {
    const start = at;
    const keyBytes = Number(gguf.readBigUInt64LE(at));
    const key = gguf.toString('utf8', at + 8, at + 8 + keyBytes);
    at += 8 + keyBytes;
    at = endOfValue(gguf, at + 4, gguf.readUInt32LE(at));
    keyValues.push({ key, bytes: gguf.subarray(start, at) });
  }
  return keyValues;
}

/** The numbers of a key-value that is an array of 32-bit integers. */
export function integersOf({ key, bytes }: KeyValue): number[] {
  const start = 8 + Buffer.byteLength(key) + 4 + 4;
  const count = Number(bytes.readBigUInt64LE(start));
  return Array.from({ length: count }, (_, index) => bytes.readInt32LE(start + 8 + 4 * index));
}

export function tensorBytes({ dimensions, type }: Pick<Tensor, 'dimensions' | 'type'>): number {
  const elements = dimensions.reduce((product, length) => product * length, 1);
  return type === 'F32' ? elements * 4 : (elements / Q8_0_BLOCK) * Q8_0_BLOCK_BYTES;
}

/** 32 weights: a half-precision scale and 32 signed bytes. */
export const Q8_0_BLOCK = 32;
export const Q8_0_BLOCK_BYTES = 34;

const VERSION = 3;
const ALIGNMENT = 32;
const TYPE = { F32: 0, Q8_0: 8 } as const;
const UINT32 = 4;
const FLOAT32 = 6;
const STRING = 8;
const ARRAY = 9;
/** Bytes of the value types 0 to 12; strings and arrays have none of their own. */
const VALUE_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

function endOfValue(gguf: Buffer, at: number, type: number): number {
  if (type === STRING) return at + 8 + Number(gguf.readBigUInt64LE(at));
  if (type !== ARRAY) return at + (VALUE_BYTES[type] ?? 0);
  const elementType = gguf.readUInt32LE(at);
  const count = Number(gguf.readBigUInt64LE(at + 4));
  let end = at + 12;
  for (let index = 0; index < count; index += 1) end = endOfValue(gguf, end, elementType);
  return end;
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([uint64(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function aligned(length: number): number {
  return Math.ceil(length / ALIGNMENT) * ALIGNMENT;
}

function padded(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([bytes, Buffer.alloc(aligned(bytes.length) - bytes.length)]);
}
