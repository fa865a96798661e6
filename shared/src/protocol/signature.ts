/** Checks what a peer signed. The id is the public key, so nothing else is needed. */
import { ed25519 } from '@noble/curves/ed25519.js';
import { MeshError } from '../errors.ts';
import type { SignedRecord } from './announcement.ts';
import { base64UrlDecode } from './base64url.ts';
import type { PeerId } from './ids.ts';
import { isKeyOfNobody } from './keys-of-nobody.ts';

/** @throws MeshError `signature_invalid` unless the peer signed exactly these bytes. */
export type VerifySignature = (record: SignedRecord, peerId: PeerId) => void;

/** For any platform; Node has a ten times faster one. @throws MeshError `signature_invalid` unless `peerId` signed exactly these bytes. */
export function verifySignature(record: SignedRecord, peerId: PeerId): void {
  let valid = false;
  try {
    valid = ed25519.verify(
      base64UrlDecode(record.signature),
      new TextEncoder().encode(record.body),
      base64UrlDecode(peerId),
    );
  } catch {
    // A key that is no curve point: as invalid as a wrong signature.
  }
  if (!valid || isKeyOfNobody(peerId)) throw signatureInvalid();
}

export function signatureInvalid(): MeshError {
  return new MeshError('signature_invalid', 'A record is not signed by the peer that it names. It was refused.');
}
