/** Embeddings on the wire: 32-bit floats, little-endian, in base64url. */
import { MeshError } from '../errors.ts';
import { base64UrlDecode, base64UrlEncode } from '../protocol/base64url.ts';

const FLOAT_BYTES = 4;

export function encodeVector(vector: Float32Array): string {
  const view = new DataView(new ArrayBuffer(vector.length * FLOAT_BYTES));
  for (const [index, value] of vector.entries()) view.setFloat32(index * FLOAT_BYTES, value, true);
  return base64UrlEncode(new Uint8Array(view.buffer));
}

/** @throws MeshError `protocol_violation` unless there are `count` vectors of finite numbers, all of one length. */
export function decodeVectors(texts: readonly string[], count: number): Float32Array[] {
  const vectors = texts.map(decodeVector);
  const length = vectors[0]?.length ?? 0;
  const sound = vectors.every((vector) => vector.length === length && vector.every(Number.isFinite));
  if (vectors.length !== count || length === 0 || !sound) {
    throw MeshError.protocolViolation(`its embeddings are not ${count} vectors of one length`);
  }
  return vectors;
}

function decodeVector(text: string): Float32Array {
  let bytes: Uint8Array;
  try {
    bytes = base64UrlDecode(text);
  } catch {
    throw MeshError.protocolViolation('an embedding is not base64url');
  }
  if (bytes.length % FLOAT_BYTES !== 0) throw MeshError.protocolViolation('an embedding is cut off');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Float32Array.from({ length: bytes.length / FLOAT_BYTES }, (_, index) =>
    view.getFloat32(index * FLOAT_BYTES, true),
  );
}
