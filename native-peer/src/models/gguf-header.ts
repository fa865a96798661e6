/**
 * A strict walk over a GGUF header: every length must lie inside the file. Libraries trust these numbers (one damaged
 * length ends the whole process inside a native read), so nothing else opens a file before it has passed here.
 */
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { MeshError } from '@tabmesh/shared';

/** @throws MeshError `model_invalid` */
export async function checkGgufHeader(file: string): Promise<void> {
  const name = basename(file);
  const handle = await open(file).catch((cause: unknown) => {
    throw MeshError.modelInvalid(`The model file ${file} can't be read. Check the path and its permissions.`, cause);
  });
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw MeshError.modelInvalid(`${file} is not a file. Name a .gguf file.`);
    const { size } = stats;
    for (let window = FIRST_WINDOW_BYTES; ; window *= 4) {
      const length = Math.min(window, size);
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, 0);
      const fault = walk(new HeaderCursor(buffer.subarray(0, bytesRead), size));
      if (fault === undefined) return;
      if (fault !== 'past-end') throw invalid(name, fault);
      if (bytesRead >= size) throw invalid(name, `is cut off: it ends after ${size} bytes, inside its header`);
      if (window > MAX_HEADER_BYTES) throw invalid(name, 'has a damaged header');
    }
  } finally {
    await handle.close();
  }
}

export function invalid(name: string, what: string, cause?: unknown): MeshError {
  return MeshError.modelInvalid(`${name} ${what}. Delete it and download it again.`, cause);
}

/** The vocabulary is what makes headers large: 7 MB for 150,000 tokens. */
const FIRST_WINDOW_BYTES = 1024 * 1024;
const MAX_HEADER_BYTES = 512 * 1024 * 1024;
const MAX_COUNT = 1_000_000;
/** ggml's own limit. */
const MAX_DIMENSIONS = 4;
const STRING = 8;
const ARRAY = 9;
/** By value type; strings and arrays have no fixed size. */
const VALUE_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

/** What is wrong with the header; `past-end` when the window ended first. */
type Fault = 'past-end' | 'is not a GGUF file' | 'has a damaged header';

function walk(cursor: HeaderCursor): Fault | undefined {
  try {
    if (cursor.text(4) !== 'GGUF') return 'is not a GGUF file';
    const version = cursor.uint32();
    if (version < 2 || version > 3) return 'has a damaged header';
    const tensors = cursor.count(MAX_COUNT);
    const values = cursor.count(MAX_COUNT);
    for (let index = 0; index < values; index += 1) {
      cursor.skipString();
      cursor.skipValue(cursor.uint32());
    }
    for (let index = 0; index < tensors; index += 1) {
      cursor.skipString();
      const dimensions = cursor.uint32();
      if (dimensions > MAX_DIMENSIONS) return 'has a damaged header';
      cursor.skip(dimensions * 8 + 4);
      // A tensor that begins behind the end is told from a damaged one by the sizes, later.
      cursor.skip(8);
    }
    return undefined;
  } catch (fault) {
    if (fault instanceof PastEnd) return 'past-end';
    if (fault instanceof Damaged) return 'has a damaged header';
    throw fault;
  }
}

class PastEnd extends Error {}
class Damaged extends Error {}

class HeaderCursor {
  readonly #bytes: Buffer;
  readonly #fileBytes: number;
  #offset = 0;

  constructor(bytes: Buffer, fileBytes: number) {
    this.#bytes = bytes;
    this.#fileBytes = fileBytes;
  }

  text(length: number): string {
    return this.#bytes.toString('latin1', this.#advance(length), this.#offset);
  }

  uint32(): number {
    return this.#bytes.readUInt32LE(this.#advance(4));
  }

  count(limit: number): number {
    const count = this.#bytes.readBigUInt64LE(this.#advance(8));
    if (count > BigInt(limit)) throw new Damaged();
    return Number(count);
  }

  skip(length: number): void {
    this.#advance(length);
  }

  skipString(): void {
    this.skip(this.count(this.#fileBytes));
  }

  skipValue(type: number): void {
    const size = VALUE_BYTES[type];
    if (size === undefined) throw new Damaged();
    if (type === STRING) this.skipString();
    else if (type === ARRAY) this.#skipArray();
    else this.skip(size);
  }

  #skipArray(): void {
    const type = this.uint32();
    const count = this.count(this.#fileBytes);
    // No model nests arrays; a chain of them would only serve to exhaust the stack.
    if (type === ARRAY) throw new Damaged();
    if (type !== STRING) this.skip(count * (VALUE_BYTES[type] ?? Number.POSITIVE_INFINITY));
    else for (let index = 0; index < count; index += 1) this.skipString();
  }

  /** Returns where the bytes begin. */
  #advance(length: number): number {
    const start = this.#offset;
    if (start + length > this.#fileBytes && start + length > MAX_HEADER_BYTES) throw new Damaged();
    if (start + length > this.#bytes.length) throw new PastEnd();
    this.#offset = start + length;
    return start;
  }
}
