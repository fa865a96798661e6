/**
 * The name of one request, in its reply and in the log: `x-request-id`, the client's own where it sent one, so that both
 * sides can speak of the same request. OpenAI's clients show it with every error.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { MAX_REQUEST_ID_CHARS } from '../limits/limits.ts';

export const REQUEST_ID_HEADER = 'x-request-id';

/** Signs that a header and a line of a log can carry; what is longer or holds others is no name, and gets one. */
const NAME = new RegExp(`^[\\x21-\\x7e]{1,${MAX_REQUEST_ID_CHARS}}$`);

export function requestIdOf({ headers }: IncomingMessage): string {
  const own = headers[REQUEST_ID_HEADER];
  return typeof own === 'string' && NAME.test(own) ? own : newRequestId();
}

export function newRequestId(): string {
  return `req_${randomUUID().replaceAll('-', '')}`;
}
