/**
 * Keeps out whoever calls this entry by a name that is none of its own, before anything else looks at the request: HTTP
 * and sockets, known addresses and unknown ones.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from '@tabmesh/shared';
import type { FastifyInstance } from 'fastify';
import { type ErrorReply, refusal } from '../http/error-reply.ts';
import { REQUEST_ID_HEADER, requestIdOf } from '../http/request-id.ts';
import { ECHOED_CHARS } from '../limits/limits.ts';
import type { Callers } from './callers.ts';

const JSON_TYPE = 'application/json; charset=utf-8';

/** Before the other hooks of the app. */
export function guardRoutes(app: FastifyInstance, callers: Callers, logger: Logger): void {
  app.addHook('onRequest', (request, reply, done) => {
    const host = callers.foreignHostOf(request.raw);
    if (host === undefined) {
      done();
      return;
    }
    const { status, body } = foreignHost(host, logger);
    reply.code(status).send(body);
  });
}

/** In front of all who listen to the server by now: signaling takes its requests and sockets past the app. */
export function guardServer(server: Server, callers: Callers, logger: Logger): void {
  putBefore(server, 'request', (request, response: ServerResponse) => {
    const host = callers.foreignHostOf(request);
    if (host === undefined) return false;
    const { status, body } = foreignHost(host, logger);
    const text = JSON.stringify(body);
    response.writeHead(status, {
      [REQUEST_ID_HEADER]: requestIdOf(request),
      'content-type': JSON_TYPE,
      'content-length': Buffer.byteLength(text),
      connection: 'close',
    });
    response.end(text);
    return true;
  });
  putBefore(server, 'upgrade', (request, socket: Duplex) => {
    const host = callers.foreignHostOf(request);
    if (host === undefined) return false;
    const text = JSON.stringify(foreignHost(host, logger).body);
    const id = `${REQUEST_ID_HEADER}: ${requestIdOf(request)}`;
    const head = `HTTP/1.1 403 Forbidden\r\n${id}\r\nconnection: close\r\ncontent-type: ${JSON_TYPE}\r\n`;
    // Whoever has left by then hears nothing, and that is no failure of this process.
    socket.on('error', () => socket.destroy());
    socket.end(`${head}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
    return true;
  });
}

/** @param takes true when the request goes no further */
function putBefore<Peer>(
  server: Server,
  event: 'request' | 'upgrade',
  takes: (request: IncomingMessage, peer: Peer) => boolean,
): void {
  const listeners = server.listeners(event);
  server.removeAllListeners(event);
  server.on(event, (request: IncomingMessage, peer: Peer, ...rest: unknown[]) => {
    if (takes(request, peer)) return;
    for (const listener of listeners) listener.call(server, request, peer, ...rest);
  });
}

function foreignHost(host: string, logger: Logger): ErrorReply {
  const said = host.slice(0, ECHOED_CHARS);
  logger.info({ host: said }, 'A request to a name that is none of this entry was refused.');
  // A name that is shown in a command has the letters of one.
  const name = /^[\w.-]+(?=:\d*$|$)/.exec(said)?.[0] ?? 'NAME';
  return refusal(
    'forbidden_host',
    `'${said}' is no name of this entry: call it by its address, or start it with --allowed-hosts ${name} (TABMESH_ALLOWED_HOSTS) if the name is meant to lead here.`,
  );
}
