/**
 * Large requests take turns: what is made of a body of a megabyte takes milliseconds, and a client that sends sixteen of them
 * in one moment would hold everybody for all of those. Between two of them the event loop answers what is small.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { HTTP_BODY_BYTES, LARGE_REQUEST_BYTES } from '../limits/limits.ts';

/** Before the routes are registered. */
export function spreadLargeRequests(app: FastifyInstance): void {
  let lastTurn: Promise<unknown> = Promise.resolve();
  app.addHook('preValidation', (request, _reply, done) => {
    if (lengthOf(request) <= LARGE_REQUEST_BYTES) {
      done();
      return;
    }
    lastTurn = lastTurn.then(() => new Promise((resolve) => setImmediate(resolve)));
    void lastTurn.then(() => done());
  });
}

/** Of the body, as far as it is known before it is read: one that comes in pieces may become as long as the longest. */
export function lengthOf({ headers }: FastifyRequest): number {
  if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) return 0;
  const length = Number(headers['content-length'] ?? HTTP_BODY_BYTES);
  return Number.isFinite(length) ? Math.min(length, HTTP_BODY_BYTES) : HTTP_BODY_BYTES;
}
