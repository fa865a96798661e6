/** When the work for a request is given up: its client leaves, or a part of it fails. */
import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';

/** Aborts what is still done for a client that leaves before it has its whole reply. */
export function abortOnDisconnect(reply: FastifyReply): AbortController {
  const abort = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished && !outliving.has(reply.raw)) abort.abort();
  });
  return abort;
}

/** Of this reply somebody else says when its client is gone for good. */
export function outliveReader(reply: FastifyReply): void {
  outliving.add(reply.raw);
}

const outliving = new WeakSet<ServerResponse>();

/** The other parts of a reply go with the one that fails. */
export async function abortOnFailure<Result>(abort: AbortController, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    abort.abort();
    throw error;
  }
}
