/**
 * A peer's Ed25519 key. The id is the public key itself, so whoever knows the id can check what the peer signed.
 */
import { ed25519 } from '@noble/curves/ed25519.js';
import type { Random } from '../ports/random.ts';
import type { Signer } from '../ports/signer.ts';
import { base64UrlEncode } from '../protocol/base64url.ts';
import { PeerId } from '../protocol/ids.ts';

export interface Identity extends Signer {
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
      return {
        body: text,
        signature: base64UrlEncode(ed25519.sign(new TextEncoder().encode(text), secretKey)),
      };
    },
  };
}
