/** Why a stream does not come about, or breaks off. Each says what to do about it. */
import { MeshError } from '../errors.ts';
import { MAX_STREAM_UNSENT_BYTES, MAX_STREAMS, STREAM_OPEN_TIMEOUT_MS, STREAM_STALL_TIMEOUT_MS } from '../limits.ts';

export const streamsUnsupported = () =>
  new MeshError('unsupported', 'The peer does not know byte streams. Ask it to update, or choose another peer.');

/** `retryable`: there may be room later. */
export const streamRefused = (name: string, reason: string, retryable: boolean) =>
  retryable
    ? new MeshError('peer_busy', `The peer refused the stream '${name}' (${reason}). Try again in a moment.`, {
        retryable,
      })
    : new MeshError('unsupported', `The peer refused the stream '${name}' (${reason}). Choose another peer.`);

export const tooManyStreams = () =>
  new MeshError('peer_busy', `${MAX_STREAMS} streams to this peer are open. End one of them first.`, {
    retryable: true,
  });

export const streamUnanswered = (name: string) =>
  MeshError.connectionFailed(`nobody accepted the stream '${name}' within ${STREAM_OPEN_TIMEOUT_MS / 1000} s`);

export const streamCancelled = () => new MeshError('cancelled', 'The stream was cancelled.');

export const streamResetHere = (reason: string) => new MeshError('closed', `This end broke the stream off: ${reason}.`);

export const streamResetThere = (reason: string) =>
  new MeshError('closed', `The other end broke the stream off: ${reason}. Open another one to go on.`, {
    retryable: true,
  });

export const STREAM_STALLED = `nobody took its bytes for ${STREAM_STALL_TIMEOUT_MS / 1000} s`;

export const writtenTooMuch = () =>
  new MeshError(
    'payload_too_large',
    `A stream holds at most ${MAX_STREAM_UNSENT_BYTES} bytes that wait. Write less at a time and wait for ready().`,
  );
