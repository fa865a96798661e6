/**
 * Who may call the OpenAI endpoints, all under `/v1`: holders of a key, each so many times a minute, and pages of the
 * sites that the operator named. The web app, its `/api` and signaling stay as open as they are.
 */
import cors from '@fastify/cors';
import { type Clock, type Logger, MeshError } from '@tabmesh/shared';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { PREFLIGHT_KEPT_S } from '../limits/limits.ts';
import { BucketPerKey } from '../limits/rate-limit.ts';
import type { AccessSettings } from './access-settings.ts';
import type { KeyRing } from './api-keys.ts';

/** What a page may read of a reply beside its body. */
const EXPOSED_HEADERS = [
  'retry-after',
  ...['sla-status', 'sla-tier', 'sla-candidates', 'sla-best-ttft-ms', 'sla-best-tps'].map(
    (name) => `x-tabmesh-${name}`,
  ),
  ...['served-by', 'fallback-status', 'peer', 'job'].map((name) => `x-tabmesh-${name}`),
];

/** Before the routes are registered. */
export function guardApi(app: FastifyInstance, settings: AccessSettings, clock: Clock, logger: Logger): void {
  if (settings.origins.length > 0) allowOrigins(app, settings.origins);
  if (settings.keys !== undefined) askForKeys(app, settings.keys, settings.requestsPerMinute, clock, logger);
}

function allowOrigins(app: FastifyInstance, origins: AccessSettings['origins']): void {
  const allowed = {
    origin: typeof origins === 'string' ? origins : [...origins],
    exposedHeaders: EXPOSED_HEADERS,
    maxAge: PREFLIGHT_KEPT_S,
  };
  app.register(cors, {
    delegator: (request, callback) => callback(null, isApi(request.url) ? allowed : { origin: false }),
  });
}

function askForKeys(app: FastifyInstance, keys: KeyRing, perMinute: number, clock: Clock, logger: Logger): void {
  const buckets = new BucketPerKey({ perSecond: perMinute / 60, burst: perMinute }, clock);
  const guard = async (request: FastifyRequest, reply: FastifyReply) => {
    const name = keys.nameOf(bearerToken(request.headers.authorization));
    if (name === undefined) {
      reply.header('www-authenticate', 'Bearer');
      throw new MeshError(
        'unauthorized',
        "This entry asks for an API key, and this is none of its keys. Send one in the header 'authorization: Bearer KEY'; whoever runs the entry gives them out.",
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
  // By the route that was found and not by the address, which can be spelt in many ways.
  app.addHook('onRoute', (route) => {
    if (isApi(route.url)) route.onRequest = [guard, ...[route.onRequest ?? []].flat()];
  });
}

function isApi(url: string): boolean {
  return url.startsWith('/v1/');
}

function bearerToken(authorization = ''): string {
  return /^bearer +(\S+) *$/i.exec(authorization)?.[1] ?? '';
}
