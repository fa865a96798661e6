/**
 * Who may call the OpenAI endpoints, all under `/v1`: holders of a key, each so many times a minute, and pages of the
 * sites that the operator named.
 */
import cors from '@fastify/cors';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { REQUEST_ID_HEADER } from '../http/request-id.ts';
import { PREFLIGHT_KEPT_S } from '../limits/limits.ts';
import type { AccessSettings } from './access-settings.ts';
import type { KeyGate } from './key-gate.ts';

/** What a page may read of a reply beside its body. */
const EXPOSED_HEADERS = [
  'retry-after',
  REQUEST_ID_HEADER,
  ...['sla-status', 'sla-tier', 'sla-candidates', 'sla-best-ttft-ms', 'sla-best-tps'].map(
    (name) => `x-tabmesh-${name}`,
  ),
  ...['served-by', 'fallback-status', 'peer', 'job', 'resume-url'].map((name) => `x-tabmesh-${name}`),
];

/**
 * Before the routes are registered.
 * @param askForKey undefined: everyone may call
 */
export function guardApi(
  app: FastifyInstance,
  origins: AccessSettings['origins'],
  askForKey: KeyGate | undefined,
): void {
  if (origins.length > 0) allowOrigins(app, origins);
  if (askForKey === undefined) return;
  const guard = async (request: FastifyRequest, reply: FastifyReply) => askForKey(request, reply);
  // By the route that was found and not by the address, which can be spelt in many ways.
  app.addHook('onRoute', (route) => {
    if (isApi(route.url)) route.onRequest = [guard, ...[route.onRequest ?? []].flat()];
  });
}

function allowOrigins(app: FastifyInstance, origins: AccessSettings['origins']): void {
  const allowed = {
    origin: typeof origins === 'string' ? origins : [...origins],
    exposedHeaders: EXPOSED_HEADERS,
    methods: ['GET', 'HEAD', 'POST', 'DELETE'],
    maxAge: PREFLIGHT_KEPT_S,
  };
  app.register(cors, {
    delegator: (request, callback) => callback(null, isApi(request.url) ? allowed : { origin: false }),
  });
}

function isApi(url: string): boolean {
  return url.startsWith('/v1/');
}
