/** The header of a GGUF file with one F32 tensor, for tests that need a file of a certain shape, and what headers consist of. */

export interface GgufShape {
  readonly metadata: readonly (readonly [key: string, value: string | number])[];
  readonly tensor: { readonly name: string; readonly dimensions: readonly number[] };
}

const STRING = 8;
const UINT32 = 4;
const F32 = 0;
const ALIGNMENT_BYTES = 32;

export function ggufHeader({ metadata, tensor }: GgufShape): Buffer {
  const parts = [Buffer.from('GGUF'), uint32(3), uint64(1), uint64(metadata.length)];
  for (const [key, value] of metadata) {
    parts.push(ggufString(key));
    parts.push(...(typeof value === 'string' ? [uint32(STRING), ggufString(value)] : [uint32(UINT32), uint32(value)]));
  }
  parts.push(
    ggufString(tensor.name),
    uint32(tensor.dimensions.length),
    ...tensor.dimensions.map(uint64),
    uint32(F32),
    uint64(0),
  );
  const header = Buffer.concat(parts);
  return Buffer.concat([header, Buffer.alloc((ALIGNMENT_BYTES - (header.length % ALIGNMENT_BYTES)) % ALIGNMENT_BYTES)]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

export function ggufString(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint64(bytes.length), bytes]);
}
