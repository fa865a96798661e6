/**
 * What goes over the wire: one golden sample per message, so that a change that older peers can't read is seen, and a
 * decoder that no bytes can upset.
 */
import { decodePeerMessage, encodePeerMessage, MAX_MESSAGE_BYTES, type MeshError, PeerMessage } from '@tabmesh/shared';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import golden from './golden.json' with { type: 'json' };

const bytesOf = (text: string) => new TextEncoder().encode(text);
const refusal = (bytes: Uint8Array): string => {
  try {
    decodePeerMessage(bytes);
  } catch (error) {
    return (error as MeshError).code;
  }
  return 'accepted';
};

describe('peer messages', () => {
  it('WR1: every message of the union has a golden sample', () => {
    const types = PeerMessage.def.options.flatMap(({ shape }) => shape.type.def.values);
    expect(Object.keys(golden).sort()).toEqual([...types].sort());
  });

  for (const [type, text] of Object.entries(golden)) {
    it(`WR1: '${type}' decodes from, and encodes to, its golden sample`, () => {
      const message = decodePeerMessage(bytesOf(text));
      if (message.type === 'unknown') throw new Error(`'${type}' is unknown.`);
      expect(message.type).toBe(type);
      expect(new TextDecoder().decode(encodePeerMessage(message))).toBe(text);
    });
  }

  it('WR2: fields that a message does not have are dropped, not passed on', () => {
    expect(decodePeerMessage(bytesOf('{"type":"ping","id":1,"__proto__":{"x":1},"extra":true}'))).toEqual({
      type: 'ping',
      id: 1,
    });
  });

  it('WR3: no bytes do anything but decode or be refused as a protocol violation', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(['accepted', 'protocol_violation']).toContain(refusal(bytes));
      }),
    );
  });

  it('WR3: no JSON does anything but decode or be refused as a protocol violation', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(refusal(bytesOf(text))).toBe('protocol_violation');
      }),
    );
  });

  it('WR4: a message with any one field spoiled is refused', () => {
    const samples = Object.values(golden).map((text) => JSON.parse(text) as Record<string, unknown>);
    const spoiled = fc.oneof(
      fc.constant(null),
      fc.constant(-1),
      fc.constant(1.5),
      fc.constant({}),
      fc.constant([[]]),
      fc.constant(true),
    );
    fc.assert(
      fc.property(fc.constantFrom(...samples), fc.nat(), spoiled, (sample, pick, value) => {
        const fields = Object.keys(sample);
        const field = fields[pick % fields.length] ?? 'type';
        // These happen to be right.
        if (field === 'waitMs' && value === 1.5) return;
        if (field === 'retryable' && value === true) return;
        expect(refusal(bytesOf(JSON.stringify({ ...sample, [field]: value })))).toBe('protocol_violation');
      }),
    );
  });

  it('WR5: too many bytes are refused before they are parsed', () => {
    expect(refusal(new Uint8Array(MAX_MESSAGE_BYTES + 1).fill(0x20))).toBe('protocol_violation');
    const tooLong = {
      ...(JSON.parse(golden.goodbye) as { type: 'goodbye' }),
      reason: 'x'.repeat(MAX_MESSAGE_BYTES),
    };
    expect(() => encodePeerMessage(tooLong)).toThrow(/Shorten the conversation/);
  });
});
