/**
 * Messages of any size over channels that carry small ones (32 KiB). A frame is one flag byte and a piece of the message:
 * 1 when more pieces follow, 0 for the last. The channel is ordered, so pieces of one message are neighbours.
 */
import { MeshError } from '../errors.ts';
import { MAX_FRAME_BYTES, MAX_MESSAGE_BYTES } from '../limits.ts';

const LAST = 0;
const MORE = 1;
const PIECE_BYTES = MAX_FRAME_BYTES - 1;

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
