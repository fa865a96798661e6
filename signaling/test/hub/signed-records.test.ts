import { MeshError, PeerId, PROTOCOL_VERSION } from '@tabmesh/shared';
import { signInNode, verifySignatureInNode } from '@tabmesh/shared/node';
import { recordsOfAnybody, smallOrderKeys } from '@tabmesh/shared/testing';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readAnnouncement, readDescription, readJoin } from '../../src/hub/signed-records.ts';
import { createMember } from '../setup/member.ts';

const [alice, bob] = [createMember(), createMember()];
const nonce = 'a'.repeat(64);
const here = { clock: { wallMs: () => 0 }, entryPeerId: null, leadsHere: () => true };

/** Whatever a peer can put into a body and sign with its own key, and near misses of the real thing. */
const body = fc.oneof(
  fc.string(),
  fc.json(),
  fc
    .record(
      {
        type: fc.constantFrom('announcement', 'join-proof', 'session-description', 'other'),
        peerId: fc.constantFrom<string>(alice.peerId, bob.peerId, '', '_'.repeat(43)),
        nonce: fc.constantFrom(nonce, 'b'.repeat(64)),
        sequence: fc.oneof(fc.integer(), fc.double()),
        issuedAtMs: fc.oneof(fc.integer(), fc.double()),
        lifetimeMs: fc.oneof(fc.integer(), fc.jsonValue()),
        models: fc.jsonValue(),
        from: fc.constantFrom<string>(alice.peerId, bob.peerId),
      },
      { requiredKeys: [] },
    )
    .map((fields) => JSON.stringify(fields)),
);
const record = fc.record({
  body,
  signature: fc.oneof(fc.constant(alice.identity.sign({}).signature), fc.stringMatching(/^[A-Za-z0-9_-]{86}$/)),
});

it('SG19: no record whatever passes unsigned, nor fails with anything but a sentence', () => {
  const reads = [
    (proof: { body: string; signature: string }) =>
      readJoin({ protocol: PROTOCOL_VERSION, proof, announcement: alice.announcement() }, nonce, here),
    (announcement: { body: string; signature: string }) => readAnnouncement(announcement, alice.peerId, here),
    (description: { body: string; signature: string }) => readDescription(description, alice.peerId, bob.peerId),
  ];

  fc.assert(
    fc.property(record, fc.constantFrom(...reads), (candidate, read) => {
      let error: unknown;
      try {
        read(candidate);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(MeshError);
      expect((error as MeshError).message).toMatch(/\.$/);
    }),
    { numRuns: 1_000 },
  );
});

it('ID5: under a key of small order nothing counts as signed for Node’s own check either', () => {
  for (const key of smallOrderKeys()) {
    const peerId = PeerId.parse(Buffer.from(key).toString('base64url'));
    for (const record of recordsOfAnybody(40)) {
      expect(() => verifySignatureInNode(record, peerId)).toThrow(
        expect.objectContaining({ code: 'signature_invalid' }),
      );
    }
  }
});

it('ID6: what Node’s own Ed25519 signs is what the portable one signs', () => {
  for (const [number, { identity }] of [alice, bob, createMember()].entries()) {
    const own = signInNode(identity);
    expect(own.peerId).toBe(identity.peerId);
    for (const body of [{ type: 'join-proof', number }, { text: 'naïve 模型 \u0000' }, {}]) {
      expect(own.sign(body)).toEqual(identity.sign(body));
    }
  }
});
