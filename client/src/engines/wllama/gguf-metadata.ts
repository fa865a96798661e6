/**
 * Reads the head of a GGUF file: says in a sentence what is wrong with a file that is none, before an engine sees it, and
 * finds what the model's class needs. wllama gives the metadata too, but only after loading, and it reads garbage.
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
import { MeshError } from '@tabmesh/shared';

export interface GgufMetadata {
  /** `general.file_type` in decimal; empty when the file has none. */
  readonly fileType: string;
  /** UTF-8 of `tokenizer.chat_template`; empty when the file has none. */
  readonly chatTemplate: Uint8Array;
  /** The context that the model was trained for. */
  readonly contextTokens: number | undefined;
  /** Texts of the tokens that begin and end a text, as templates write them; empty when the file names none. */
  readonly bosText: string;
  readonly eosText: string;
  readonly vocabularySize: number;
}

/** @throws MeshError `model_invalid` */
export async function readGgufMetadata(file: Blob): Promise<GgufMetadata> {
  // The head is unknown in length (a big vocabulary takes 10 MB), and nearly always short.
  for (let headBytes = 1024 * 1024; ; headBytes *= 4) {
    const head = new DataView(await file.slice(0, headBytes).arrayBuffer());
    try {
      return readHead(new Cursor(head), file.size);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      if (headBytes >= file.size) {
        throw MeshError.modelInvalid('The GGUF file ends in the middle of its header. Download it again.', error);
      }
    }
  }
}

const MAGIC = 0x46554747;
const OLDEST_VERSION = 2;
const NEWEST_VERSION = 3;
const DEFAULT_ALIGNMENT = 32;

function readHead(cursor: Cursor, fileBytes: number): GgufMetadata {
  if (fileBytes < 8 || cursor.u32() !== MAGIC) {
    throw MeshError.modelInvalid('This file is not a GGUF model. Choose a file that ends in .gguf.');
  }
  const version = cursor.u32();
  if (version < OLDEST_VERSION || version > NEWEST_VERSION) {
    throw MeshError.modelInvalid(
      `The file is of GGUF version ${version}, but only 2 and 3 can be read. Convert it with llama.cpp's tools.`,
    );
  }
  const tensorCount = cursor.u64();
  const keyCount = cursor.u64();
  const values = new Map<string, Value>();
  for (let index = 0; index < keyCount; index += 1) {
    const key = cursor.text();
    values.set(key, readValue(cursor, cursor.u32()));
  }
  const lastTensorOffset = readTensorOffsets(cursor, tensorCount);
  const alignment = asNumber(values.get('general.alignment')) ?? DEFAULT_ALIGNMENT;
  const dataStart = Math.ceil(cursor.position / alignment) * alignment;
  if (tensorCount === 0 || dataStart + lastTensorOffset >= fileBytes) {
    throw MeshError.modelInvalid('The GGUF file is truncated: some of its weights are missing. Download it again.');
  }
  const architecture = asText(values.get('general.architecture'));
  const fileType = asNumber(values.get('general.file_type'));
  const vocabulary = values.get('tokenizer.ggml.tokens');
  return {
    fileType: fileType === undefined ? '' : String(fileType),
    chatTemplate: asBytes(values.get('tokenizer.chat_template')) ?? new Uint8Array(),
    contextTokens: asNumber(values.get(`${architecture}.context_length`)),
    bosText: tokenText(cursor, values, 'bos'),
    eosText: tokenText(cursor, values, 'eos'),
    vocabularySize: vocabulary instanceof Texts ? vocabulary.count : 0,
  };
}

/** Names, shapes and types don't matter here; the greatest offset tells whether the weights can be there. */
function readTensorOffsets(cursor: Cursor, count: number): number {
  let last = 0;
  for (let index = 0; index < count; index += 1) {
    cursor.bytes(cursor.u64());
    const dimensions = cursor.u32();
    cursor.skip(dimensions * 8 + 4);
    last = Math.max(last, cursor.u64());
  }
  return last;
}

function tokenText(cursor: Cursor, values: ReadonlyMap<string, Value>, name: 'bos' | 'eos'): string {
  const tokens = values.get('tokenizer.ggml.tokens');
  const id = asNumber(values.get(`tokenizer.ggml.${name}_token_id`));
  if (id === undefined || !(tokens instanceof Texts) || id >= tokens.count) return '';
  cursor.position = tokens.position;
  for (let index = 0; index < id; index += 1) cursor.skip(cursor.u64());
  return cursor.text();
}

/** Where an array of texts lies; a vocabulary is not worth copying for two of its tokens. */
class Texts {
  readonly position: number;
  readonly count: number;

  constructor(position: number, count: number) {
    this.position = position;
    this.count = count;
  }
}

type Value = number | Uint8Array | Texts | undefined;

const STRING_TYPE = 8;
const ARRAY_TYPE = 9;
/** By type number: u8, i8, u16, i16, u32, i32, f32, bool, string, array, u64, i64, f64. */
const TYPE_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
const UNSIGNED_READERS: Record<number, (cursor: Cursor) => number> = {
  0: (cursor) => cursor.u8(),
  2: (cursor) => cursor.u16(),
  4: (cursor) => cursor.u32(),
  10: (cursor) => cursor.u64(),
};

/** Arrays of numbers and signed numbers are skipped: nothing here needs them. */
function readValue(cursor: Cursor, type: number): Value {
  if (type === STRING_TYPE) return cursor.bytes(cursor.u64());
  const readUnsigned = UNSIGNED_READERS[type];
  if (readUnsigned !== undefined) return readUnsigned(cursor);
  if (type !== ARRAY_TYPE) {
    cursor.skip(bytesOf(type));
    return undefined;
  }
  const elementType = cursor.u32();
  const count = cursor.u64();
  if (elementType !== STRING_TYPE) {
    cursor.skip(count * bytesOf(elementType));
    return undefined;
  }
  const texts = new Texts(cursor.position, count);
  for (let index = 0; index < count; index += 1) cursor.skip(cursor.u64());
  return texts;
}

function bytesOf(type: number): number {
  const bytes = TYPE_BYTES[type];
  if (bytes === undefined || bytes === 0) {
    throw MeshError.modelInvalid('The GGUF file is damaged: its header makes no sense. Download it again.');
  }
  return bytes;
}

function asNumber(value: Value): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

function asBytes(value: Value): Uint8Array | undefined {
  return value instanceof Uint8Array ? value : undefined;
}

function asText(value: Value): string {
  return new TextDecoder().decode(asBytes(value));
}

/** Little-endian; reading past the end throws a RangeError, as DataView does. */
class Cursor {
  position = 0;
  readonly #view: DataView;

  constructor(view: DataView) {
    this.#view = view;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  u64(): number {
    return Number(this.#view.getBigUint64(this.#advance(8), true));
  }

  skip(count: number): void {
    this.#advance(count);
  }

  bytes(count: number): Uint8Array {
    const start = this.#advance(count);
    return new Uint8Array(this.#view.buffer.slice(start, start + count));
  }

  text(): string {
    return new TextDecoder().decode(this.bytes(this.u64()));
  }

  #advance(count: number): number {
    const start = this.position;
    if (start + count > this.#view.byteLength) throw new RangeError('The header goes on past what was read.');
    this.position = start + count;
    return start;
  }
}
