import type { FastifyReply } from 'fastify';

/** Aborts what is still done for a client that leaves before it has its whole reply. */
export function abortWithoutReader(reply: FastifyReply): AbortController {
  const abort = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) abort.abort();
  });
  return abort;
}
