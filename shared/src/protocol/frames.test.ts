import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_FRAME_BYTES, MAX_MESSAGE_BYTES, MAX_PACKED_MESSAGES, MAX_STREAM_FRAME_BYTES } from '../limits.ts';
import {
  FrameAssembler,
  kindOfFrame,
  packFrame,
  readPack,
  readStreamAck,
  readStreamData,
  STREAM_PIECE_BYTES,
  streamAckFrame,
  streamDataFrame,
  toFrames,
} from './frames.ts';

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

  it('WR18: frames of streams come back with their stream and their bytes, and spoiled ones are refused', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0xffff_ffff }), fc.integer({ min: 1, max: 200 }), (streamId, size) => {
        const { frame, payload } = streamDataFrame(streamId, size);
        payload.set(pattern(size));
        // What a channel delivers is often a part of a larger buffer.
        const delivered = Uint8Array.from([7, 7, ...frame]).subarray(2);
        expect(kindOfFrame(delivered)).toBe('stream-data');
        expect(readStreamData(delivered)).toEqual({ streamId, payload: pattern(size) });
        expect(kindOfFrame(streamAckFrame(streamId))).toBe('stream-ack');
        expect(readStreamAck(streamAckFrame(streamId))).toBe(streamId);
      }),
    );
    expect(streamDataFrame(1, STREAM_PIECE_BYTES).frame.length).toBe(MAX_STREAM_FRAME_BYTES);
    expect(() => readStreamData(Uint8Array.of(2, 0, 0, 0, 1))).toThrow(/empty/);
    expect(() => readStreamAck(Uint8Array.of(3, 0, 0, 1))).toThrow(/length/);
    expect([kindOfFrame(new Uint8Array()), kindOfFrame(Uint8Array.of(99))]).toEqual(['message', 'unknown']);
  });

  it('WR31: messages that share a frame come back one by one, and a frame that they do not fill is refused as a whole', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: MAX_PACKED_MESSAGES });
    fc.assert(
      fc.property(sizes, fc.nat(), (lengths, cut) => {
        const messages = lengths.map(pattern);
        const frame = packFrame(messages);
        const delivered = Uint8Array.from([7, 7, ...frame]).subarray(2);
        expect(kindOfFrame(delivered)).toBe('pack');
        expect(readPack(delivered)).toEqual(messages);
        // Between two messages there is the end of a shorter pack.
        const kept = 1 + (cut % (frame.length - 1));
        const ends = messages.map((_, index) => packFrame(messages.slice(0, index)).length);
        if (kept === 1 || !ends.includes(kept))
          expect(() => readPack(frame.subarray(0, kept))).toThrow(/do not fill it/);
      }),
    );
    const tooMany = Array.from({ length: MAX_PACKED_MESSAGES + 1 }, () => pattern(1));
    expect(() => readPack(packFrame(tooMany))).toThrow(/too many/);
    expect(() => readPack(Uint8Array.of(4, 0, 0))).toThrow(/do not fill it/);
  });
});
