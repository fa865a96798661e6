/**
 * A reply that streams, from its headers to its end. What fails after the first byte is no HTTP error any more: it is told
 * in the stream, once and in one place for all endpoints.
 */
import type { Clock, Logger } from '@tabmesh/shared';
import type { FastifyReply } from 'fastify';
import { type ApiErrorBody, errorReply } from './error-reply.ts';
import { type EventStream, openEventStream } from './event-stream.ts';
import './kept-streams.ts';
import { abortOnFailure } from './request-abort.ts';

export interface StreamedReply {
  readonly reply: FastifyReply;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Cancels what still runs when a part of it fails. */
  readonly abort: AbortController;
  /** Which answer it is, for the log. */
  readonly job: string;
  write(stream: EventStream): Promise<void>;
  /** How this endpoint tells of a failure. Default: the error as an event, in the shape of its HTTP body. */
  writeFailure?(stream: EventStream, failure: ApiErrorBody): void;
}

/** Resolves when the stream has ended, however it did. */
export async function streamReply(streamed: StreamedReply): Promise<FastifyReply> {
  const { reply, clock, logger, abort, job, write, writeFailure = writeError } = streamed;
  const stream = reply.server.keptStreams.open(reply, job, abort) ?? openEventStream(reply, clock);
  try {
    await abortOnFailure(abort, write(stream));
  } catch (error) {
    if (stream.isCutOff) logger.debug({ job, reason: 'client_disconnected' }, 'An answer was cancelled.');
    else {
      const { body } = errorReply(error);
      logger.warn({ job, ...body.error }, 'An answer failed after it had begun.');
      writeFailure(stream, body);
    }
  } finally {
    stream.end();
  }
  return reply;
}

function writeError(stream: EventStream, failure: ApiErrorBody): void {
  stream.send(JSON.stringify(failure));
}
