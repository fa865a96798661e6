/** For whom something is counted and kept: the holder of a key, else the network that a request comes from. */
import type { FastifyRequest } from 'fastify';
import { networkOf } from './network.ts';

export function clientOf(request: Pick<FastifyRequest, 'ip'> & { readonly keyName?: string }): string {
  return request.keyName === undefined ? networkOf(request.ip) : `key ${request.keyName}`;
}
