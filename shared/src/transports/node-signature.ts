/**
 * Node's own Ed25519, which takes a tenth of the time of the portable one (0.1 against 1.3 ms): an entry checks every
 * announcement of everyone, and a native peer hears most of them.
 */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { PeerId } from '../protocol/ids.ts';
import { isKeyOfNobody } from '../protocol/keys-of-nobody.ts';
import { signatureInvalid, type VerifySignature } from '../protocol/signature.ts';

export const verifySignatureInNode: VerifySignature = (record, peerId) => {
  const key = publicKeyOf(peerId);
  const valid =
    key !== undefined && verify(null, Buffer.from(record.body), key, Buffer.from(record.signature, 'base64url'));
  if (!valid) throw signatureInvalid();
};

/** A peer id is the key itself, in the form that JSON Web Keys use. */
function publicKeyOf(peerId: PeerId): KeyObject | undefined {
  if (isKeyOfNobody(peerId)) return undefined;
  try {
    return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: peerId }, format: 'jwk' });
  } catch {
    return undefined;
  }
}
