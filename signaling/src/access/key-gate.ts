/** Asks a request for one of the entry's API keys, and lets each key ask so many times a minute. */
import { type Clock, type Logger, MeshError } from '@tabmesh/shared';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { BucketPerKey } from '../limits/rate-limit.ts';
import type { KeyRing } from './api-keys.ts';

/** @throws MeshError `unauthorized`, `mesh_busy` past the limit of the key */
export type KeyGate = (request: FastifyRequest, reply: FastifyReply) => void;

export function createKeyGate(keys: KeyRing, perMinute: number, clock: Clock, logger: Logger): KeyGate {
  const buckets = new BucketPerKey({ perSecond: perMinute / 60, burst: perMinute }, clock);
  return (request, reply) => {
    const { authorization, 'x-api-key': own } = request.headers;
    // Anthropic's clients send the second, and some of them a token of their own account as the first.
    const name = keys.nameOf(bearerToken(authorization)) ?? keys.nameOf(typeof own === 'string' ? own : '');
    if (name === undefined) {
      reply.header('www-authenticate', 'Bearer');
      throw new MeshError(
        'unauthorized',
        "This entry asks for an API key, and this is none of its keys. Send one in the header 'authorization: Bearer KEY' or 'x-api-key: KEY'; whoever runs the entry gives them out.",
      );
    }
    request.keyName = name;
    if (buckets.take(name)) return;
    logger.info({ key: name, perMinute }, 'An API key reached its limit.');
    throw new MeshError(
      'mesh_busy',
      `This API key may ask ${perMinute} times a minute, and has. Ask again in a moment, or ask whoever runs the entry for more.`,
      // The next request is due by then, at the latest.
      { retryable: true, details: { retryAfterMs: 60_000 / perMinute } },
    );
  };
}

function bearerToken(authorization = ''): string {
  return /^bearer +(\S+) *$/i.exec(authorization)?.[1] ?? '';
}
