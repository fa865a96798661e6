import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_FRAME_BYTES, MAX_MESSAGE_BYTES } from '../limits.ts';
import { FrameAssembler, toFrames } from './frames.ts';

const pattern = (length: number) => Uint8Array.from({ length }, (_, index) => (index * 31) % 256);

describe('frames', () => {
  it('WR6: messages of every size come back whole, one after the other', () => {
    const size = fc.oneof(
      fc.nat(100),
      fc.integer({ min: MAX_FRAME_BYTES - 3, max: MAX_FRAME_BYTES + 3 }),
      fc.nat(200_000),
    );
    fc.assert(
      fc.property(fc.array(size, { minLength: 1, maxLength: 4 }), (sizes) => {
        const assembler = new FrameAssembler();
        const messages = sizes.map(pattern);
        const received = messages.flatMap((message) =>
          [...toFrames(message)].flatMap((frame) => {
            expect(frame.length).toBeLessThanOrEqual(MAX_FRAME_BYTES);
            const whole = assembler.push(frame);
            return whole === undefined ? [] : [whole.slice()];
          }),
        );
        expect(received.map((message) => message.length)).toEqual(sizes);
        for (const [index, message] of received.entries())
          expect(message.every((byte, at) => byte === messages[index]?.[at])).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it('WR7: an empty frame, an unknown flag and a short middle piece are refused', () => {
    expect(() => new FrameAssembler().push(new Uint8Array())).toThrow(/no valid flag/);
    expect(() => new FrameAssembler().push(Uint8Array.of(9, 1))).toThrow(/no valid flag/);
    expect(() => new FrameAssembler().push(Uint8Array.of(1, 1))).toThrow(/short/);
  });

  it('WR8: pieces without end are cut off at the largest message', () => {
    const assembler = new FrameAssembler();
    const piece = new Uint8Array(MAX_FRAME_BYTES).fill(1);
    expect(() => {
      for (let bytes = 0; bytes <= MAX_MESSAGE_BYTES + MAX_FRAME_BYTES; bytes += piece.length) assembler.push(piece);
    }).toThrow(/longer than/);
  });
});
