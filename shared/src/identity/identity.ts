/**
 * A peer's Ed25519 key. The id is the public key itself, so whoever knows the id can check what the peer signed.
 */
import { ed25519 } from '@noble/curves/ed25519.js';
import { MeshError } from '../errors.ts';
import type { Random } from '../ports/random.ts';
import type { SignedRecord } from '../protocol/announcement.ts';
import { PeerId } from '../protocol/ids.ts';
import { base64UrlDecode, base64UrlEncode } from './base64url.ts';

export interface Identity {
  readonly peerId: PeerId;
  /** Signs the JSON form of `body`. */
  sign(body: object): SignedRecord;
  /** 32 bytes, for storage. */
  readonly secretKey: Uint8Array;
}

export function createIdentity(random: Random): Identity {
  return identityFromSecretKey(random.bytes(32));
}

/** @throws RangeError when the key is not 32 bytes long. */
export function identityFromSecretKey(secretKey: Uint8Array): Identity {
  if (secretKey.length !== 32) throw new RangeError(`An Ed25519 secret key has 32 bytes, not ${secretKey.length}.`);
  const peerId = PeerId.parse(base64UrlEncode(ed25519.getPublicKey(secretKey)));
  return {
    peerId,
    secretKey,
    sign(body) {
      const text = JSON.stringify(body);
      return { body: text, signature: base64UrlEncode(ed25519.sign(new TextEncoder().encode(text), secretKey)) };
    },
  };
}

/**
 * @throws MeshError `signature_invalid` unless `peerId` signed exactly these bytes.
 */
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
  if (!valid) {
    throw new MeshError('signature_invalid', 'A record is not signed by the peer that it names. It was refused.');
  }
}
