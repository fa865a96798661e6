import { describe, expect, it } from 'vitest';
import { verifySignature } from '../protocol/signature.ts';
import { createSeededRandom } from '../testing/seeded-random.ts';
import { createIdentity, identityFromSecretKey } from './identity.ts';
import { peerName } from './peer-name.ts';

const random = createSeededRandom(7);

describe('identity', () => {
  it('ID1: whoever knows the id can check what the peer signed', () => {
    const alice = createIdentity(random);
    expect(() => verifySignature(alice.sign({ hello: 'world' }), alice.peerId)).not.toThrow();
  });

  it('ID2: a changed body, a changed signature and another peer’s id are refused', () => {
    const alice = createIdentity(random);
    const bob = createIdentity(random);
    const record = alice.sign({ hello: 'world' });
    const refused = { code: 'signature_invalid' };
    expect(() => verifySignature({ ...record, body: '{"hello":"mars"}' }, alice.peerId)).toThrow(
      expect.objectContaining(refused),
    );
    expect(() => verifySignature({ ...record, signature: bob.sign({}).signature }, alice.peerId)).toThrow(
      expect.objectContaining(refused),
    );
    expect(() => verifySignature(record, bob.peerId)).toThrow(expect.objectContaining(refused));
  });

  it('ID3: the same secret key is the same peer, with the same name', () => {
    const alice = createIdentity(random);
    const again = identityFromSecretKey(alice.secretKey);
    expect(again.peerId).toBe(alice.peerId);
    expect(peerName(again.peerId)).toBe(peerName(alice.peerId));
    expect(peerName(alice.peerId)).toMatch(/^[a-z]+-[a-z]+$/);
  });
});
