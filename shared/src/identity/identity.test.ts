import { ED25519_TORSION_SUBGROUP, ed25519 } from '@noble/curves/ed25519.js';
import { describe, expect, it } from 'vitest';
import { SignedRecord } from '../protocol/announcement.ts';
import { base64UrlDecode, base64UrlEncode } from '../protocol/base64url.ts';
import { PeerId } from '../protocol/ids.ts';
import { verifySignature } from '../protocol/signature.ts';
import { createSeededRandom } from '../testing/seeded-random.ts';
import { verifySignatureInNode } from '../transports/node-signature.ts';
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

  it.each([
    ['for any platform', verifySignature],
    ['of Node', verifySignatureInNode],
  ])(
    'ID5: under a key of small order, in any of its spellings, nothing counts as signed: the check %s',
    (_name, check) => {
      const keys = smallOrderKeys();
      expect(keys).toHaveLength(14);
      for (const key of keys) {
        expect(ed25519.Point.fromBytes(key, true).isSmallOrder()).toBe(true);
        for (let tried = 0; tried < 40; tried += 1) {
          const record = { body: `{"tried":${tried}}`, signature: base64UrlEncode(anybodysSignature()) };
          expect(() => check(record, PeerId.parse(base64UrlEncode(key)))).toThrow(
            expect.objectContaining({ code: 'signature_invalid' }),
          );
        }
      }
    },
  );
});

/** Zero times the base point: some of forty messages are signed by it, whichever of these keys it is. */
function anybodysSignature(): Uint8Array {
  return Uint8Array.of(1, ...new Uint8Array(63));
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** All texts that decode to the same bytes: they differ in the bits of the last letter that hold nothing. */
function spellings(text: string): string[] {
  const last = LETTERS.indexOf(text.at(-1) ?? '');
  const spare = text.length % 4 === 3 ? 4 : 16;
  return Array.from({ length: spare }, (_, bits) => `${text.slice(0, -1)}${LETTERS[last - (last % spare) + bits]}`);
}

/** Each height with both signs, as it is and unreduced where that has room in 255 bits. */
function smallOrderKeys(): Uint8Array[] {
  const prime = 2n ** 255n - 19n;
  const heights = new Set(ED25519_TORSION_SUBGROUP.map((hex) => littleEndian(hex) % 2n ** 255n));
  const numbers = [...heights].flatMap((height) => [height, height + prime]).filter((number) => number < 2n ** 255n);
  return numbers.flatMap((number) => [number, number + 2n ** 255n]).map(bytesOf);
}

function littleEndian(hex: string): bigint {
  return BigInt(`0x${(hex.match(/../g) ?? []).reverse().join('')}`);
}

function bytesOf(number: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, index) => Number((number >> BigInt(8 * index)) & 0xffn));
}
