/**
 * The web app's own way in, `/api/chat`: an own page shows a token for it (`POST /api/page-token`), anyone else a key where
 * there are keys. Without either the mesh answers where no keys are asked for, but no outside provider does, unless who
 * asks is on the entry's own machine: its answers are the operator's money, and a page is where a person was told who would
 * read along.
 */
import { type Clock, MeshError } from '@tabmesh/shared';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { refusal } from '../http/error-reply.ts';
import { PAGE_TOKEN_LIFE_MS } from '../limits/limits.ts';
import { networkOf } from '../limits/network.ts';
import { BucketPerKey } from '../limits/rate-limit.ts';
import type { Callers } from './callers.ts';
import type { KeyGate } from './key-gate.ts';
import { createPageTokens } from './page-tokens.ts';
import { cameThroughProxy, LOOPBACK } from './this-machine.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** One of this entry's own pages sent it, by its token. */
    isFromPage?: boolean;
    /** No page and no proxy sent it, from this machine, and no keys are asked for. */
    isFromOperator?: boolean;
  }
}

export interface ChatGuardOptions {
  readonly callers: Callers;
  /** Undefined: no key is asked for. */
  readonly askForKey: KeyGate | undefined;
  /** Of the pages in one network, where keys have a limit. */
  readonly requestsPerMinute: number;
  readonly clock: Clock;
}

/** Before the routes are registered. */
export function guardChat(app: FastifyInstance, options: ChatGuardOptions): void {
  const { callers, askForKey, requestsPerMinute: perMinute, clock } = options;
  const tokens = createPageTokens(clock);
  const pages = new BucketPerKey({ perSecond: perMinute / 60, burst: perMinute }, clock);

  const guard = async (request: FastifyRequest, reply: FastifyReply) => {
    const { origin, 'x-tabmesh-page': token } = request.headers;
    if (origin !== undefined && !callers.isFromOwnPage(request.raw)) return refuse(reply);
    if (token === undefined) {
      askForKey?.(request, reply);
      request.isFromOperator = askForKey === undefined && origin === undefined && isFromThisMachine(request);
      return;
    }
    if (origin === undefined || !tokens.isGood(String(token), origin)) throw tokenIsOver();
    request.isFromPage = true;
    if (askForKey !== undefined && !pages.take(networkOf(request.ip))) throw tooMany(perMinute);
  };
  app.addHook('onRoute', (route) => {
    if (route.url === '/api/chat') route.onRequest = [guard, ...[route.onRequest ?? []].flat()];
  });

  app.post('/api/page-token', async (request, reply) => {
    const { origin } = request.headers;
    if (origin === undefined || !callers.isFromOwnPage(request.raw)) return refuse(reply);
    return { token: tokens.issue(origin), expiresInMs: PAGE_TOKEN_LIFE_MS };
  });
}

/** A proxy on this machine asks for somebody else, whether it is believed or not. */
function isFromThisMachine({ socket, headers }: FastifyRequest): boolean {
  return LOOPBACK.has(socket.remoteAddress ?? '') && !cameThroughProxy(headers);
}

function refuse(reply: FastifyReply): FastifyReply {
  const { status, body } = refusal(
    'forbidden_origin',
    'Only pages of this entry may ask this way. Call /v1 instead, or name the host that the page came from with --allowed-hosts (TABMESH_ALLOWED_HOSTS).',
  );
  return reply.code(status).send(body);
}

function tokenIsOver(): MeshError {
  return new MeshError(
    'unauthorized',
    "The token of this page is over, or was none of this entry's. Reload the page, or fetch another from POST /api/page-token.",
  );
}

function tooMany(perMinute: number): MeshError {
  return new MeshError(
    'mesh_busy',
    `Pages of one network may ask ${perMinute} times a minute, and yours have. Ask again in a moment.`,
    { retryable: true, details: { retryAfterMs: 60_000 / perMinute } },
  );
}
