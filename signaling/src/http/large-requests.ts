/**
 * Large requests take turns: to read a body of a megabyte takes milliseconds, what is made of it some more, and a client that
 * sends sixteen of them in one moment would hold everybody for all of those.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { HTTP_BODY_BYTES, LARGE_REQUEST_BYTES } from '../limits/limits.ts';
import { clientOf } from './request-client.ts';
import { Turns } from './turns.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Large work of other kinds takes its turns among them. */
    readonly largeTurns: Turns;
  }
}

/** Before the routes are registered. */
export function spreadLargeRequests(app: FastifyInstance): void {
  const turns = new Turns({ nowMs: () => performance.now(), pause: (ms) => pause(ms) });
  app.decorate('largeTurns', turns);
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    const parse = () => void parseJson(request, body, done);
    if (body.length > LARGE_REQUEST_BYTES) void turns.take(clientOf(request)).then(parse);
    else parse();
  });
  app.addHook('preValidation', (request, _reply, done) => {
    if (lengthOf(request) > LARGE_REQUEST_BYTES) void turns.take(clientOf(request)).then(() => done());
    else done();
  });
}

/** Of the body, as far as it is known before it is read: one that comes in pieces may become as long as the longest. */
export function lengthOf({ headers }: FastifyRequest): number {
  if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) return 0;
  const length = Number(headers['content-length'] ?? HTTP_BODY_BYTES);
  return Number.isFinite(length) ? Math.min(length, HTTP_BODY_BYTES) : HTTP_BODY_BYTES;
}
