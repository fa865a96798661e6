/** Who asks through the entry and how long they wait, as the peers are told of it. */
import { createHmac, randomBytes } from 'node:crypto';
import { type Asking, MeshError } from '@tabmesh/shared';
import type { FastifyRequest } from 'fastify';
import { MAX_DEADLINE_MS, MAX_KNOWN_CLIENTS } from '../limits/limits.ts';
import { networkOf } from '../limits/network.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The name of the API key that the request came with, where this entry asks for keys. */
    keyName?: string;
  }
}

/** Peers can tell two clients of this process apart, and learn no address. */
const SECRET = randomBytes(32);

/** @throws MeshError `invalid_request` for a deadline that is none */
export function askingOf(request: FastifyRequest): Asking {
  return { client: wordFor(request.keyName ?? request.ip), deadlineMs: deadlineOf(request) };
}

/** By key or address: signed once for each and not for each request. */
const words = new Map<string, string>();

function wordFor(client: string): string {
  const known = words.get(client);
  if (known !== undefined) return known;
  const word = createHmac('sha256', SECRET).update(networkOf(client)).digest('base64url').slice(0, 16);
  if (words.size >= MAX_KNOWN_CLIENTS) words.clear();
  words.set(client, word);
  return word;
}

function deadlineOf({ headers }: FastifyRequest): number | undefined {
  const text = headers['x-tabmesh-deadline-ms'];
  if (text === undefined) return undefined;
  const deadlineMs = Number(text);
  if (/^\d+$/.test(String(text)) && deadlineMs >= 1 && deadlineMs <= MAX_DEADLINE_MS) return deadlineMs;
  throw new MeshError(
    'invalid_request',
    `The header 'x-tabmesh-deadline-ms' is wrong: give whole milliseconds from 1 to ${MAX_DEADLINE_MS}, or leave it out.`,
    { details: { param: 'x-tabmesh-deadline-ms' } },
  );
}
