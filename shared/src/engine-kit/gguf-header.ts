/**
 * A strict walk over the header of a GGUF file, by peers in tabs and native ones alike: every length must lie inside the
 * file. Engines trust these numbers (one damaged length ends the whole process inside a native read), so none opens a
 * file before it has passed here. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
import { FIRST_GGUF_WINDOW_BYTES, MAX_GGUF_COUNT, MAX_GGUF_HEADER_BYTES } from '../limits.ts';

/** What the walk needs of a file. */
export interface GgufSource {
  readonly sizeBytes: number;
  /** Its first bytes; fewer than asked for when it turns out to be shorter. */
  head(lengthBytes: number): Promise<Uint8Array>;
}

export type GgufReading =
  | { readonly state: 'read'; readonly header: GgufHeader }
  | { readonly state: 'not-gguf' }
  | { readonly state: 'unknown-version'; readonly version: number }
  /** The file ends inside its header. */
  | { readonly state: 'cut-off' }
  | { readonly state: 'damaged' };

export interface GgufHeader {
  readonly tensorCount: number;
  /** Where the last tensor begins in the file: behind its end when weights are missing. */
  readonly lastTensorAt: number;
  /** Of the keys that were wanted. A value of another type is undefined; signed numbers and floats are not kept. */
  number(key: string): number | undefined;
  bytes(key: string): Uint8Array | undefined;
  texts(key: string): GgufTexts | undefined;
  /** Arrays of 32 bits each. */
  integers(key: string): Int32Array | undefined;
}

/** An array of texts, still in the header's bytes: a vocabulary is not worth copying for two of its tokens. */
export interface GgufTexts {
  readonly count: number;
  /** Empty where there is none. */
  at(index: number): string;
  /** In order, in one pass. */
  all(): Iterable<string>;
}

/**
 * The length of a header is not known before it is read, so it is read in growing windows.
 * @param wanted the keys whose values are kept; none by default.
 */
export async function readGgufHeader(source: GgufSource, wanted?: RegExp): Promise<GgufReading> {
  for (let windowBytes = FIRST_GGUF_WINDOW_BYTES; ; windowBytes *= 4) {
    const bytes = await source.head(Math.min(windowBytes, source.sizeBytes, MAX_GGUF_HEADER_BYTES));
    try {
      return walk(new Cursor(bytes, source.sizeBytes), wanted);
    } catch (fault) {
      if (fault instanceof Damaged) return { state: 'damaged' };
      if (!(fault instanceof PastWindow)) throw fault;
      if (windowBytes >= source.sizeBytes || bytes.length < windowBytes) return { state: 'cut-off' };
    }
  }
}

const MAGIC = 0x46554747;
const DEFAULT_ALIGNMENT = 32;
/** ggml's own limit. */
const MAX_DIMENSIONS = 4;
const STRING = 8;
const ARRAY = 9;
const INT32 = 5;
/** By type: u8, i8, u16, i16, u32, i32, f32, bool, string, array, u64, i64, f64; strings and arrays have no fixed size. */
const VALUE_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
const UNSIGNED_TYPES = [0, 2, 4, 10];

/** Read when it is wanted. */
type Integers = () => Int32Array;
type Value = number | Uint8Array | GgufTexts | Integers | undefined;

class PastWindow extends Error {}
class Damaged extends Error {}

function walk(cursor: Cursor, wanted: RegExp | undefined): GgufReading {
  if (cursor.unsigned(4) !== MAGIC) return { state: 'not-gguf' };
  const version = cursor.unsigned(4);
  if (version < 2 || version > 3) return { state: 'unknown-version', version };
  const tensorCount = cursor.count(MAX_GGUF_COUNT);
  const keyCount = cursor.count(MAX_GGUF_COUNT);
  const numbers = new Map<string, number>();
  const bytes = new Map<string, Uint8Array>();
  const texts = new Map<string, GgufTexts>();
  const integers = new Map<string, Int32Array>();
  let alignment = DEFAULT_ALIGNMENT;
  for (let index = 0; index < keyCount; index += 1) {
    const key = decode(cursor.string());
    const value = readValue(cursor, cursor.unsigned(4));
    if (key === 'general.alignment' && typeof value === 'number' && value > 0) alignment = value;
    if (value === undefined || !wanted?.test(key)) continue;
    if (typeof value === 'number') numbers.set(key, value);
    else if (value instanceof Uint8Array) bytes.set(key, value);
    else if (typeof value === 'function') integers.set(key, value());
    else texts.set(key, value);
  }
  const lastOffset = readTensorOffsets(cursor, tensorCount);
  const header: GgufHeader = {
    tensorCount,
    lastTensorAt: Math.ceil(cursor.position / alignment) * alignment + lastOffset,
    number: (key) => numbers.get(key),
    bytes: (key) => bytes.get(key),
    texts: (key) => texts.get(key),
    integers: (key) => integers.get(key),
  };
  return { state: 'read', header };
}

/** Names, shapes and types don't matter here; the greatest offset tells whether the weights can be there. */
function readTensorOffsets(cursor: Cursor, count: number): number {
  let last = 0;
  for (let index = 0; index < count; index += 1) {
    cursor.string();
    const dimensions = cursor.unsigned(4);
    if (dimensions > MAX_DIMENSIONS) throw new Damaged();
    cursor.skip(dimensions * 8 + 4);
    // One that lies behind the file's end is for the caller to tell: the file may be one of several parts.
    last = Math.max(last, cursor.unsigned(8));
  }
  return last;
}

function readValue(cursor: Cursor, type: number): Value {
  if (type === STRING) return cursor.string();
  if (type === ARRAY) return readArray(cursor);
  const size = VALUE_BYTES[type];
  if (size === undefined) throw new Damaged();
  if (UNSIGNED_TYPES.includes(type)) return cursor.unsigned(size);
  cursor.skip(size);
  return undefined;
}

/** Of arrays of numbers only the types of tokens are needed. */
function readArray(cursor: Cursor): GgufTexts | Integers | undefined {
  const type = cursor.unsigned(4);
  const count = cursor.count(cursor.fileBytes);
  if (type === STRING) {
    const texts = cursor.texts(count);
    for (let index = 0; index < count; index += 1) cursor.string();
    return texts;
  }
  // No model nests arrays; a chain of them would only serve to exhaust the stack.
  const size = type === ARRAY ? undefined : VALUE_BYTES[type];
  if (size === undefined) throw new Damaged();
  const integers = type === INT32 ? cursor.integers(count) : undefined;
  cursor.skip(count * size);
  return integers;
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** Little-endian, over the first bytes of a file of a known size. */
class Cursor {
  readonly fileBytes: number;
  position: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, fileBytes: number, position = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.fileBytes = fileBytes;
    this.position = position;
  }

  unsigned(size: number): number {
    const at = this.#advance(size);
    if (size === 8) return Number(this.#view.getBigUint64(at, true));
    if (size === 4) return this.#view.getUint32(at, true);
    return size === 2 ? this.#view.getUint16(at, true) : this.#view.getUint8(at);
  }

  count(limit: number): number {
    const count = this.unsigned(8);
    if (count > limit) throw new Damaged();
    return count;
  }

  string(): Uint8Array {
    const length = this.count(this.fileBytes);
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  skip(length: number): void {
    this.#advance(length);
  }

  /** Of the array that begins here. */
  texts(count: number): GgufTexts {
    const start = this.position;
    return {
      count,
      at: (wanted) => {
        if (wanted >= count) return '';
        const cursor = new Cursor(this.#bytes, this.fileBytes, start);
        for (let index = 0; index < wanted; index += 1) cursor.string();
        return decode(cursor.string());
      },
      all: () => {
        const cursor = new Cursor(this.#bytes, this.fileBytes, start);
        return Array.from({ length: count }, () => decode(cursor.string()));
      },
    };
  }

  /** Of the array that begins here. */
  integers(count: number): Integers {
    const start = this.position;
    return () => Int32Array.from({ length: count }, (_, index) => this.#view.getInt32(start + index * 4, true));
  }

  /** Returns where the bytes begin. */
  #advance(length: number): number {
    const start = this.position;
    const end = start + length;
    if (end > MAX_GGUF_HEADER_BYTES) throw new Damaged();
    if (end > this.#bytes.length) throw new PastWindow();
    this.position = end;
    return start;
  }
}
