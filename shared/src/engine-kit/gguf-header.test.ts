import { describe, expect, it } from 'vitest';
import { MAX_GGUF_HEADER_BYTES } from '../limits.ts';
import { type GgufSource, readGgufHeader } from './gguf-header.ts';

const STRING = 8;
const ARRAY = 9;
const UINT32 = 4;

const u32 = (value: number) => [...new Uint8Array(Uint32Array.of(value).buffer)];
const u64 = (value: number) => [...new Uint8Array(BigUint64Array.of(BigInt(value)).buffer)];
const text = (value: string) => [...u64(value.length), ...new TextEncoder().encode(value)];
const start = (tensors: number, keys: number) => [71, 71, 85, 70, ...u32(3), ...u64(tensors), ...u64(keys)];
const tensor = (offset: number) => [...text('w'), ...u32(1), ...u64(4), ...u32(0), ...u64(offset)];

/** A file of these bytes that says it is larger, and what was read of it. */
function fileOf(bytes: readonly number[], sizeBytes = bytes.length) {
  const windows: number[] = [];
  const source: GgufSource = {
    sizeBytes,
    async head(lengthBytes) {
      windows.push(lengthBytes);
      const head = new Uint8Array(lengthBytes);
      head.set(bytes.slice(0, lengthBytes));
      return head;
    },
  };
  return { source, windows };
}

describe('the header of a GGUF file', () => {
  it('EN60: gives the values that are wanted, a text of an array by its place, and where the weights begin', async () => {
    const bytes = [
      ...start(2, 5),
      ...[...text('general.name'), ...u32(STRING), ...text('tiny')],
      ...[...text('general.alignment'), ...u32(UINT32), ...u32(64)],
      ...[...text('tokens'), ...u32(ARRAY), ...u32(STRING), ...u64(2), ...text('<s>'), ...text('</s>')],
      ...[...text('types'), ...u32(ARRAY), ...u32(5), ...u64(2), ...u32(3), ...u32(0xffff_ffff)],
      ...[...text('scores'), ...u32(ARRAY), ...u32(6), ...u64(2), ...u64(0)],
      ...[...tensor(0), ...tensor(128)],
    ];
    const reading = await readGgufHeader(fileOf(bytes).source, /^(general\.name|tokens|types)$/);
    if (reading.state !== 'read') throw new Error(reading.state);
    const { header } = reading;
    expect(new TextDecoder().decode(header.bytes('general.name'))).toBe('tiny');
    expect([header.texts('tokens')?.count, header.texts('tokens')?.at(1), header.texts('tokens')?.at(2)]).toEqual([
      2,
      '</s>',
      '',
    ]);
    expect([...(header.texts('tokens')?.all() ?? [])]).toEqual(['<s>', '</s>']);
    expect(header.integers('types')).toEqual(Int32Array.of(3, -1));
    expect(header.number('general.alignment')).toBeUndefined();
    expect([header.tensorCount, header.lastTensorAt]).toEqual([2, Math.ceil(bytes.length / 64) * 64 + 128]);
  });

  const key = [...start(1, 1), ...text('k')];
  it.each([
    ['an array of arrays', [...key, ...u32(ARRAY), ...u32(ARRAY), ...u64(1)]],
    ['a type that does not exist', [...key, ...u32(13)]],
    ['a text longer than the file', [...key, ...u32(STRING), ...u64(10_000)]],
    ['more texts than the file has bytes', [...key, ...u32(ARRAY), ...u32(STRING), ...u64(10_000)]],
    ['two million keys', start(1, 2_000_000)],
    ['two million tensors', start(2_000_000, 1)],
    ['a tensor of five dimensions', [...start(1, 0), ...text('w'), ...u32(5), ...u64(1)]],
  ])('EN61: %s is damage', async (_what, bytes) => {
    expect(await readGgufHeader(fileOf(bytes).source)).toEqual({ state: 'damaged' });
  });

  it('EN61: a header that ends with the file is cut off, whatever the file said of its size', async () => {
    const bytes = start(1, 1);
    expect(await readGgufHeader(fileOf(bytes).source)).toEqual({ state: 'cut-off' });
    const shorter: GgufSource = { sizeBytes: 5_000_000, head: async () => Uint8Array.from(bytes) };
    expect(await readGgufHeader(shorter)).toEqual({ state: 'cut-off' });
  });

  it('NP11: a length beyond every header is refused by the first window, however large the file', async () => {
    const { source, windows } = fileOf([...key, ...u32(STRING), ...u64(MAX_GGUF_HEADER_BYTES)], 100 * 1024 ** 3);
    expect(await readGgufHeader(source)).toEqual({ state: 'damaged' });
    expect(windows).toEqual([1024 ** 2]);
  });
});
