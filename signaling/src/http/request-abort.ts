/** When the work for a request is given up: its client leaves, or a part of it fails. */
import type { FastifyReply } from 'fastify';

/** Aborts what is still done for a client that leaves before it has its whole reply. */
export function abortOnDisconnect(reply: FastifyReply): AbortController {
  const abort = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) abort.abort();
  });
  return abort;
}

/** The other parts of a reply go with the one that fails. */
export async function abortOnFailure<Result>(abort: AbortController, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    abort.abort();
    throw error;
  }
}
