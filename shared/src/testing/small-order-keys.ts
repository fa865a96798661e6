/** The Ed25519 keys under which anybody can sign, reckoned from the curve, and what anybody would sign under them. */
import { ED25519_TORSION_SUBGROUP } from '@noble/curves/ed25519.js';
import type { SignedRecord } from '../protocol/announcement.ts';
import { base64UrlEncode } from '../protocol/base64url.ts';

/** Each height with both signs, as it is and unreduced where that has room in 255 bits. */
export function smallOrderKeys(): Uint8Array[] {
  const prime = 2n ** 255n - 19n;
  const heights = new Set(ED25519_TORSION_SUBGROUP.map((hex) => littleEndian(hex) % 2n ** 255n));
  const numbers = [...heights].flatMap((height) => [height, height + prime]).filter((number) => number < 2n ** 255n);
  return numbers.flatMap((number) => [number, number + 2n ** 255n]).map(bytesOf);
}

/** With the signature zero times the base point: some of forty texts are signed by it, whichever of these keys it is. */
export function recordsOfAnybody(count: number): SignedRecord[] {
  const signature = base64UrlEncode(Uint8Array.of(1, ...new Uint8Array(63)));
  return Array.from({ length: count }, (_, index) => ({ body: `{"tried":${index}}`, signature }));
}

function littleEndian(hex: string): bigint {
  return BigInt(`0x${(hex.match(/../g) ?? []).reverse().join('')}`);
}

function bytesOf(number: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, index) => Number((number >> BigInt(8 * index)) & 0xffn));
}
