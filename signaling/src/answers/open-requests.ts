/**
 * How many requests may be open at a time, and how many bytes they may hold: an answer takes minutes where a peer is slow
 * or silent, and its prompt stays in memory for as long. Whoever asks much is refused before everybody is.
 */
import { MeshError } from '@tabmesh/shared';
import type { FastifyInstance, onRequestHookHandler } from 'fastify';
import { lengthOf } from '../http/large-requests.ts';
import { clientOf } from '../http/request-client.ts';
import {
  MAX_CLIENT_OPEN_BYTES,
  MAX_CLIENT_OPEN_REQUESTS,
  MAX_OPEN_BYTES,
  MAX_OPEN_REQUESTS,
  OPEN_SHARE_FOR_ALL,
  SMALL_CLIENT_REQUESTS,
} from '../limits/limits.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Of this server. */
    readonly openRequests: OpenRequests;
  }
}

/** Behind the guards that refuse a request without looking at its body, and so before the routes are registered. */
export function boundOpenRequests(app: FastifyInstance): void {
  const open = new OpenRequests();
  app.decorate('openRequests', open);
  const hold: onRequestHookHandler = (request, reply, done) => {
    try {
      reply.raw.once('close', open.take(clientOf(request), lengthOf(request)));
    } catch (error) {
      done(error as MeshError);
      return;
    }
    done();
  };
  app.addHook('onRoute', (route) => {
    if ([route.method].flat().includes('POST')) route.onRequest = [...[route.onRequest ?? []].flat(), hold];
  });
}

interface Held {
  requests: number;
  bytes: number;
}

export class OpenRequests {
  readonly #clients = new Map<string, Held>();
  #requests = 0;
  #bytes = 0;

  /**
   * Returns what ends it, idempotent.
   * @param requests 0: an open one holds more than its body
   * @throws MeshError `mesh_busy`
   */
  take(client: string, bytes: number, requests: 0 | 1 = 1): () => void {
    const held = this.#clients.get(client) ?? { requests: 0, bytes: 0 };
    if (held.requests + requests > MAX_CLIENT_OPEN_REQUESTS || held.bytes + bytes > MAX_CLIENT_OPEN_BYTES) {
      throw tooMany(
        `You have ${held.requests} requests open here, and more have no room. Wait for one of them to end, or stop one.`,
      );
    }
    // Some clients can fill only so much; the rest is for those who hold next to nothing.
    const share = held.requests < SMALL_CLIENT_REQUESTS ? 1 : OPEN_SHARE_FOR_ALL;
    if (this.#requests + requests > share * MAX_OPEN_REQUESTS || this.#bytes + bytes > share * MAX_OPEN_BYTES) {
      throw tooMany('This entry has as many requests open as it can hold. Ask again in a few seconds, or at another.');
    }
    this.#clients.set(client, held);
    this.#add(held, requests, bytes);
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      this.#add(held, -requests, -bytes);
      if (held.requests === 0 && held.bytes === 0) this.#clients.delete(client);
    };
  }

  #add(held: Held, requests: number, bytes: number): void {
    held.requests += requests;
    held.bytes += bytes;
    this.#requests += requests;
    this.#bytes += bytes;
  }
}

function tooMany(message: string): MeshError {
  return new MeshError('mesh_busy', message, { retryable: true, details: { retryAfterMs: 2_000 } });
}
