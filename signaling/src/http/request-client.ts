/** Whose limit a request counts towards: its key's, else its network's. */
import type { FastifyRequest } from 'fastify';
import { networkOf } from '../limits/network.ts';

/** Once the guards have looked at it. */
export function clientOf(request: FastifyRequest): string {
  return request.keyName === undefined ? networkOf(request.ip) : `key ${request.keyName}`;
}
