/**
 * What the ends of a link say about its byte streams; the bytes themselves travel in frames of their own (`frames.ts`).
 * Sent only to who announced `streams`. Each end numbers the streams that it opens upwards: odd numbers belong to the end
 * that dialled, even ones to the other, and none is used twice.
 */
import { z } from 'zod/mini';
import { MAX_FRAME_BYTES, MAX_STREAM_NAME_CHARS } from '../limits.ts';

const streamId = z.int().check(z.minimum(1), z.maximum(0xffff_ffff));
const reason = z.string().check(z.maxLength(200));
/** A smaller one could not take a whole frame, and its sender would wait for ever. */
const windowBytes = z.int().check(z.minimum(MAX_FRAME_BYTES), z.maximum(0x7fff_ffff));

/** `windowBytes`: how much the sender of this message takes before it says more in a `stream-window`. */
export const StreamOpen = z.object({
  type: z.literal('stream-open'),
  streamId,
  name: z.string().check(z.minLength(1), z.maxLength(MAX_STREAM_NAME_CHARS)),
  windowBytes,
});

/** Nothing is sent on a stream before. */
export const StreamAccept = z.object({ type: z.literal('stream-accept'), streamId, windowBytes });

/** `retryable`: the same stream may be accepted later. */
export const StreamRefuse = z.object({
  type: z.literal('stream-refuse'),
  streamId,
  reason,
  retryable: z.boolean(),
});

/** The other end may send that many bytes more. */
export const StreamWindow = z.object({
  type: z.literal('stream-window'),
  streamId,
  bytes: z.int().check(z.minimum(1), z.maximum(0x7fff_ffff)),
});

/** No byte follows from this end; the other direction goes on. */
export const StreamEnd = z.object({ type: z.literal('stream-end'), streamId });

/** Neither direction goes on, and what is under way is of no use any more. */
export const StreamReset = z.object({ type: z.literal('stream-reset'), streamId, reason });

export const StreamMessage = z.discriminatedUnion('type', [
  StreamOpen,
  StreamAccept,
  StreamRefuse,
  StreamWindow,
  StreamEnd,
  StreamReset,
]);
export type StreamMessage = z.infer<typeof StreamMessage>;
