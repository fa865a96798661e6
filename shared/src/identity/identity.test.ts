import { ed25519 } from '@noble/curves/ed25519.js';
import { describe, expect, it } from 'vitest';
import { SignedRecord } from '../protocol/announcement.ts';
import { base64UrlDecode, base64UrlEncode } from '../protocol/base64url.ts';
import { PeerId } from '../protocol/ids.ts';
import { verifySignature } from '../protocol/signature.ts';
import { createSeededRandom } from '../testing/seeded-random.ts';
import { recordsOfAnybody, smallOrderKeys } from '../testing/small-order-keys.ts';
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

  it('ID4: a key has one id, and a signature one spelling', () => {
    const alice = createIdentity(random);
    const record = alice.sign({ hello: 'world' });
    const others = (text: string) => spellings(text).filter((spelling) => spelling !== text);
    expect(others(alice.peerId)).toHaveLength(3);
    expect(others(record.signature)).toHaveLength(15);
    for (const id of others(alice.peerId)) {
      expect(base64UrlDecode(id)).toEqual(base64UrlDecode(alice.peerId));
      expect(PeerId.safeParse(id).success, id).toBe(false);
    }
    for (const signature of others(record.signature)) {
      expect(() => verifySignature({ ...record, signature }, alice.peerId)).not.toThrow();
      expect(SignedRecord.safeParse({ ...record, signature }).success, signature).toBe(false);
    }
    expect(PeerId.parse(alice.peerId)).toBe(alice.peerId);
    expect(SignedRecord.parse(record)).toEqual(record);
  });

  it('ID4: every key and signature that is made has that spelling', () => {
    for (let made = 0; made < 64; made += 1) {
      const peer = createIdentity(random);
      expect(PeerId.parse(peer.peerId)).toBe(peer.peerId);
      expect(SignedRecord.safeParse(peer.sign({ made })).success).toBe(true);
    }
  });

  it('ID5: under a key of small order, in any of its spellings, nothing counts as signed', () => {
    const keys = smallOrderKeys();
    expect(keys).toHaveLength(14);
    for (const key of keys) {
      expect(ed25519.Point.fromBytes(key, true).isSmallOrder()).toBe(true);
      for (const record of recordsOfAnybody(40)) {
        expect(() => verifySignature(record, PeerId.parse(base64UrlEncode(key)))).toThrow(
          expect.objectContaining({ code: 'signature_invalid' }),
        );
      }
    }
  });
});

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** All texts that decode to the same bytes: they differ in the bits of the last letter that hold nothing. */
function spellings(text: string): string[] {
  const last = LETTERS.indexOf(text.at(-1) ?? '');
  const spare = text.length % 4 === 3 ? 4 : 16;
  return Array.from({ length: spare }, (_, bits) => `${text.slice(0, -1)}${LETTERS[last - (last % spare) + bits]}`);
}
