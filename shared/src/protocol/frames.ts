/**
 * What a channel carries, in frames of up to 32 KiB. The first byte says what a frame is:
 *
 * | flag | then |
 * | --- | --- |
 * | 0 | the last piece of a message |
 * | 1 | a piece of a message of which more follows |
 * | 2 | four bytes with a stream's id (big-endian), and bytes of that stream |
 * | 3 | four bytes: how many bytes of stream frames came since the last frame of this kind |
 * | 4 | whole messages, each behind two bytes with its length (big-endian) |
 *
 * The channel is ordered and keeps the bounds of frames, so one of another kind can be skipped. 2 and 3 are sent only to
 * who announced streams, 4 only to who announced packed frames.
 */
import { MeshError } from '../errors.ts';
import { MAX_FRAME_BYTES, MAX_MESSAGE_BYTES, MAX_PACKED_MESSAGES, MAX_STREAM_FRAME_BYTES } from '../limits.ts';

const LAST = 0;
const MORE = 1;
const STREAM_DATA = 2;
const STREAM_ACK = 3;
const PACK = 4;
const PIECE_BYTES = MAX_FRAME_BYTES - 1;
const STREAM_HEADER_BYTES = 5;
const LENGTH_BYTES = 2;
/** Most bytes of a stream in one frame. */
export const STREAM_PIECE_BYTES = MAX_STREAM_FRAME_BYTES - STREAM_HEADER_BYTES;

export type FrameKind = 'message' | 'pack' | 'stream-data' | 'stream-ack' | 'unknown';

/** An empty frame counts as a spoiled piece of a message. */
export function kindOfFrame(frame: Uint8Array): FrameKind {
  const flag = frame[0] ?? LAST;
  if (flag === LAST || flag === MORE) return 'message';
  if (flag === PACK) return 'pack';
  return flag === STREAM_DATA ? 'stream-data' : flag === STREAM_ACK ? 'stream-ack' : 'unknown';
}

/** A frame for `bytes` of a stream, and the part of it where they go. */
export function streamDataFrame(streamId: number, bytes: number): { frame: Uint8Array; payload: Uint8Array } {
  const frame = new Uint8Array(STREAM_HEADER_BYTES + bytes);
  frame[0] = STREAM_DATA;
  viewOf(frame).setUint32(1, streamId);
  return { frame, payload: frame.subarray(STREAM_HEADER_BYTES) };
}

/**
 * The payload is a part of the frame.
 * @throws MeshError `protocol_violation` when there is none.
 */
export function readStreamData(frame: Uint8Array): { streamId: number; payload: Uint8Array } {
  if (frame.length <= STREAM_HEADER_BYTES) throw MeshError.protocolViolation('a frame of a stream is empty');
  return { streamId: viewOf(frame).getUint32(1), payload: frame.subarray(STREAM_HEADER_BYTES) };
}

export function streamAckFrame(bytes: number): Uint8Array {
  const frame = new Uint8Array(STREAM_HEADER_BYTES);
  frame[0] = STREAM_ACK;
  viewOf(frame).setUint32(1, bytes);
  return frame;
}

/** @throws MeshError `protocol_violation`. */
export function readStreamAck(frame: Uint8Array): number {
  if (frame.length !== STREAM_HEADER_BYTES) throw MeshError.protocolViolation('an acknowledgement has a wrong length');
  return viewOf(frame).getUint32(1);
}

/** Most messages fit one frame. */
export function* toFrames(message: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start === 0 || start < message.length; start += PIECE_BYTES) {
    const piece = message.subarray(start, start + PIECE_BYTES);
    const frame = new Uint8Array(piece.length + 1);
    frame[0] = start + PIECE_BYTES < message.length ? MORE : LAST;
    frame.set(piece, 1);
    yield frame;
  }
}

/** What a message adds to the length of a packed frame. */
export function packedBytes(message: Uint8Array): number {
  return LENGTH_BYTES + message.length;
}

/** The messages fit one frame: see `packedBytes`, and one byte for the frame itself. */
export function packFrame(messages: readonly Uint8Array[]): Uint8Array {
  const frame = new Uint8Array(messages.reduce((bytes, message) => bytes + packedBytes(message), 1));
  const view = viewOf(frame);
  frame[0] = PACK;
  let offset = 1;
  for (const message of messages) {
    view.setUint16(offset, message.length);
    frame.set(message, offset + LENGTH_BYTES);
    offset += packedBytes(message);
  }
  return frame;
}

/**
 * The messages are parts of the frame.
 * @throws MeshError `protocol_violation`, before the first one, when they don't fill the frame or are too many.
 */
export function readPack(frame: Uint8Array): readonly Uint8Array[] {
  const view = viewOf(frame);
  const messages: Uint8Array[] = [];
  let offset = 1;
  while (offset + LENGTH_BYTES < frame.length && messages.length < MAX_PACKED_MESSAGES) {
    const end = offset + LENGTH_BYTES + view.getUint16(offset);
    messages.push(frame.subarray(offset + LENGTH_BYTES, end));
    offset = end;
  }
  if (offset !== frame.length || frame.length === 1) {
    throw MeshError.protocolViolation('the messages of a packed frame do not fill it, or are too many');
  }
  return messages;
}

export class FrameAssembler {
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  /**
   * Returns the whole message with its last piece, else undefined.
   * @throws MeshError `protocol_violation`: an empty or unknown frame, or a message past `MAX_MESSAGE_BYTES`.
   */
  push(frame: Uint8Array): Uint8Array | undefined {
    const flag = frame[0];
    if (flag !== LAST && flag !== MORE) throw MeshError.protocolViolation('its frame has no valid flag');
    const piece = frame.subarray(1);
    if (this.#bytes + piece.length > MAX_MESSAGE_BYTES) {
      throw MeshError.protocolViolation(`it is longer than ${MAX_MESSAGE_BYTES} bytes`);
    }
    if (flag === LAST && this.#pieces.length === 0) return piece;
    if (flag === MORE && piece.length < PIECE_BYTES) throw MeshError.protocolViolation('a piece inside it is short');
    this.#pieces.push(piece.slice());
    this.#bytes += piece.length;
    if (flag === MORE) return undefined;
    const message = new Uint8Array(this.#bytes);
    let offset = 0;
    for (const part of this.#pieces) {
      message.set(part, offset);
      offset += part.length;
    }
    this.#pieces = [];
    this.#bytes = 0;
    return message;
  }
}

function viewOf(frame: Uint8Array): DataView {
  return new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
}
