/**
 * The HTTP side of an entry as an app that does not listen yet: API, status, web app. Signaling shares its port but not
 * its code (`hub/`).
 */
import type { Clock, Logger, Mesh } from '@tabmesh/shared';
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { type AccessSettings, accessSettings } from './access/access-settings.ts';
import { type Callers, createCallers } from './access/callers.ts';
import { guardApi } from './access/guard-api.ts';
import { guardChat } from './access/guard-chat.ts';
import { guardRoutes } from './access/guard-hosts.ts';
import { createKeyGate } from './access/key-gate.ts';
import { boundOpenRequests } from './answers/open-requests.ts';
import { inShapeOf } from './anthropic/message-errors.ts';
import { registerMessages } from './anthropic/messages.ts';
import type { Fallback } from './fallback/fallback.ts';
import { errorReply, refusal } from './http/error-reply.ts';
import { registerKeptStreams } from './http/kept-streams.ts';
import { spreadLargeRequests } from './http/large-requests.ts';
import { REQUEST_ID_HEADER, requestIdOf } from './http/request-id.ts';
import { spreadOpenings } from './http/spread-openings.ts';
import { boundUnreadReplies } from './http/unread-replies.ts';
import { answerUnread } from './http/unread-request.ts';
import type { Ledger } from './ledger/ledger.ts';
import {
  ECHOED_CHARS,
  HTTP_BODY_BYTES,
  HTTP_HEADERS_TIMEOUT_MS,
  HTTP_LATE_CHECK_MS,
  HTTP_REQUEST_TIMEOUT_MS,
} from './limits/limits.ts';
import { registerChatCompletions } from './openai/chat-completions.ts';
import { registerEmbeddings } from './openai/embeddings.ts';
import { registerModels } from './openai/models.ts';
import { registerTextCompletions } from './openai/text-completions.ts';
import { registerResponses } from './responses/responses.ts';
import { registerEvents } from './status/events.ts';
import { registerMetrics } from './status/metrics.ts';
import { registerPrometheus } from './status/prometheus.ts';
import { registerStatus } from './status/status.ts';
import { SECURITY_HEADERS } from './web/security-headers.ts';
import { registerWebApp, type WebRoots } from './web/web-app.ts';

export interface ServerParts extends WebRoots {
  /** A promise, because an entry joins its own hub and so must listen first; requests wait these few milliseconds. */
  readonly mesh: Mesh | Promise<Mesh>;
  readonly version: string;
  /** Absent: no prompt ever leaves the mesh. */
  readonly fallback?: Fallback | undefined;
  /** Absent: nothing is counted, and there are no metrics. */
  readonly ledger?: Ledger | undefined;
  /** Absent: everyone may call the API, by an address or this machine's name, except pages of other sites. */
  readonly access?: AccessSettings | undefined;
  /** What `access` says of hosts and proxies. Absent: made of it. */
  readonly callers?: Callers | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export function buildServer(parts: ServerParts): FastifyInstance {
  const { access = accessSettings({}), clock, logger } = parts;
  const { callers = createCallers(access) } = parts;
  const app = fastify({
    bodyLimit: HTTP_BODY_BYTES,
    requestTimeout: HTTP_REQUEST_TIMEOUT_MS,
    http: { headersTimeout: HTTP_HEADERS_TIMEOUT_MS, connectionsCheckingInterval: HTTP_LATE_CHECK_MS },
    clientErrorHandler: answerUnread,
    genReqId: requestIdOf,
    // An address that can't be decoded meets no hook.
    frameworkErrors(error, request, reply: FastifyReply) {
      const { status, body } = errorReply(error);
      reply.code(status).headers(SECURITY_HEADERS).header(REQUEST_ID_HEADER, request.id).send(body);
    },
    trustProxy: access.trustsProxy ?? false,
    // An open stream would otherwise hold `close` for as long as its client likes.
    forceCloseConnections: true,
    schemaController: { compilersFactory: NO_SCHEMAS },
  });
  // With JSON as the only kind of body, no page of another site can post here without asking first (CORS).
  app.removeContentTypeParser('text/plain');

  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(SECURITY_HEADERS);
    reply.header(REQUEST_ID_HEADER, request.id);
    // Files say for themselves how long they may be kept.
    if (isOfTheMoment(request.routeOptions.url)) reply.header('cache-control', 'no-store');
    done();
  });
  guardRoutes(app, callers, logger);
  boundUnreadReplies(app, logger);
  app.setErrorHandler((error, request, reply) => {
    const { status, headers, body } = errorReply(error);
    const fields = { url: loggedUrl(request.url), request: request.id, status, code: body.error.code };
    if (reply.raw.destroyed) logger.debug(fields, 'The client left before the answer began.');
    else if (status === 500) logger.error({ ...fields, error }, 'A request failed inside the entry.');
    else logger.info(fields, body.error.message);
    return reply.code(status).headers(headers).send(inShapeOf(request, body));
  });
  app.setNotFoundHandler((request, reply) => {
    const message = `There is no ${request.method} ${request.url.slice(0, ECHOED_CHARS)} here. The API starts at /v1.`;
    const { status, body } = refusal('unknown_url', message);
    return reply.code(status).send(inShapeOf(request, body));
  });

  const { keys, requestsPerMinute } = access;
  const askForKey = keys && createKeyGate(keys, requestsPerMinute, clock, logger);
  guardApi(app, access.origins, askForKey);
  guardChat(app, { callers, askForKey, requestsPerMinute, clock });
  boundOpenRequests(app);
  spreadLargeRequests(app);
  spreadOpenings(app);
  registerKeptStreams(app, clock);
  registerChatCompletions(app, parts);
  registerTextCompletions(app, parts);
  registerEmbeddings(app, parts);
  registerResponses(app, parts);
  registerMessages(app, parts);
  registerModels(app, parts);
  registerStatus(app, parts);
  registerEvents(app, parts);
  const { ledger } = parts;
  if (ledger !== undefined) {
    registerMetrics(app, { ...parts, ledger });
    registerPrometheus(app, { ...parts, ledger });
  }
  app.register(async (web) => registerWebApp(web, parts));
  return app;
}

/** Zod looks at bodies and no route has a schema of fastify's own, whose two compilers would be loaded for nothing. */
const NO_SCHEMAS = { buildValidator: noSchema, buildSerializer: noSchema };

function noSchema(): never {
  throw new Error('Routes have no schemas of fastify here: read the body with readBody.');
}

/** The endpoints: what they tell is old a moment later, and of one client. A 404 may be a page of the next version. */
function isOfTheMoment(route: string | undefined): boolean {
  return route === undefined || /^\/(v1|api|healthz|readyz)\b/.test(route);
}

/** Without its query, in which people put keys. */
function loggedUrl(url: string): string {
  return url.replace(/[?#].*$/s, '').slice(0, ECHOED_CHARS);
}
