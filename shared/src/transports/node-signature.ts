/**
 * Node's own Ed25519, which takes a tenth of the time of the portable one (0.1 against 1.3 ms): an entry checks every
 * announcement of everyone, a native peer hears most of them, and both sign an answer and its candidates for whoever dials.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import type { Signer } from '../ports/signer.ts';
import { base64UrlEncode } from '../protocol/base64url.ts';
import type { PeerId } from '../protocol/ids.ts';
import { isKeyOfNobody } from '../protocol/keys-of-nobody.ts';
import { signatureInvalid, type VerifySignature } from '../protocol/signature.ts';

export const verifySignatureInNode: VerifySignature = (record, peerId) => {
  const key = publicKeyOf(peerId);
  const valid =
    key !== undefined && verify(null, Buffer.from(record.body), key, Buffer.from(record.signature, 'base64url'));
  if (!valid) throw signatureInvalid();
};

/** The same identity, with the same signatures. */
export function signInNode(identity: Signer & { readonly secretKey: Uint8Array }): Signer {
  const { peerId, secretKey } = identity;
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: peerId, d: base64UrlEncode(secretKey) };
  const key = createPrivateKey({ key: jwk, format: 'jwk' });
  return {
    peerId,
    sign(body) {
      const text = JSON.stringify(body);
      return { body: text, signature: sign(null, Buffer.from(text), key).toString('base64url') };
    },
  };
}

/** A peer id is the key itself, in the form that JSON Web Keys use. */
function publicKeyOf(peerId: PeerId): KeyObject | undefined {
  if (isKeyOfNobody(peerId)) return undefined;
  try {
    return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: peerId }, format: 'jwk' });
  } catch {
    return undefined;
  }
}
