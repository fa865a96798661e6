/** Cuts a GGUF file into parts as llama.cpp's gguf-split does: all metadata in the first, tensors in order over all. */
import { ggufString, uint32, uint64 } from './gguf-header-bytes.ts';

const ALIGNMENT_BYTES = 32;
const UINT16 = 2;
const INT32 = 5;
/** By type of value; strings (8) and arrays (9) tell their own length. */
const VALUE_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

interface Tensor {
  /** Name, dimensions and type, without the offset. */
  readonly head: Buffer;
  readonly data: Buffer;
}

export function splitGguf(whole: Buffer, count: number): readonly Buffer[] {
  const { metadata, keyCount, tensors } = parse(whole);
  const each = Math.ceil(tensors.length / count);
  return Array.from({ length: count }, (_, index) => {
    const own = tensors.slice(index * each, (index + 1) * each);
    const split = [
      ...[ggufString('split.no'), uint32(UINT16), uint16(index)],
      ...[ggufString('split.count'), uint32(UINT16), uint16(count)],
      ...[ggufString('split.tensors.count'), uint32(INT32), uint32(tensors.length)],
    ];
    const keys = index === 0 ? [metadata, ...split] : split;
    const start = [Buffer.from('GGUF'), uint32(3), uint64(own.length), uint64(index === 0 ? keyCount + 3 : 3)];
    let offset = 0;
    const infos = own.map(({ head, data }) => {
      const info = Buffer.concat([head, uint64(offset)]);
      offset += aligned(data.length);
      return info;
    });
    const header = padded(Buffer.concat([...start, ...keys, ...infos]));
    return Buffer.concat([header, ...own.map(({ data }) => padded(data))]);
  });
}

function parse(whole: Buffer) {
  let at = 8;
  const next = (bytes: number) => {
    at += bytes;
    return at - bytes;
  };
  const long = () => Number(whole.readBigUInt64LE(next(8)));
  const skipText = () => next(long());
  const tensorCount = long();
  const keyCount = long();
  const metadataAt = at;
  for (let key = 0; key < keyCount; key += 1) {
    skipText();
    skipValue(whole.readUInt32LE(next(4)));
  }
  const metadata = whole.subarray(metadataAt, at);
  const infos = Array.from({ length: tensorCount }, () => {
    const from = at;
    skipText();
    next(whole.readUInt32LE(next(4)) * 8 + 4);
    return { head: whole.subarray(from, at), offset: long() };
  });
  const dataAt = aligned(at);
  const tensors = infos.map(({ head, offset }, index): Tensor => {
    const end = infos[index + 1]?.offset ?? whole.length - dataAt;
    return { head, data: whole.subarray(dataAt + offset, dataAt + end) };
  });
  return { metadata, keyCount, tensors };

  function skipValue(type: number): void {
    if (type === 8) skipText();
    else if (type !== 9) next(VALUE_BYTES[type] ?? 0);
    else {
      const of = whole.readUInt32LE(next(4));
      for (let left = long(); left > 0; left -= 1) skipValue(of);
    }
  }
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(aligned(bytes.length) - bytes.length)]);
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}
