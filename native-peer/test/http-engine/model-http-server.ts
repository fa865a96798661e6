/** What the test's servers have in common: pages, manners, and a record of who asked what. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

// biome-ignore lint/suspicious/noExplicitAny: bodies of requests, as a test reads them
type Json = any;

export interface Manners {
  /** Answers the next requests to answering pages so, without end or as often as told. */
  refuse?: { readonly status: number; readonly body: string; readonly headers?: Record<string, string> } | undefined;
  /** The same where two messages in a row are of one role, as a strict chat template. */
  refuseRows?: Manners['refuse'];
  /** Cuts the connection after so many chunks. */
  breakAfter?: number | undefined;
  /** Ends the stream after so many chunks as if all were well. */
  endAfter?: number | undefined;
  /** Closes the connection on which the next request comes, without a word. */
  hangsUp?: boolean | undefined;
  /** Answers with a message that never ends. */
  floods?: boolean | undefined;
}

export interface Page {
  /** The parsed body of a POST. */
  readonly body: Json;
  readonly signal: AbortSignal;
  json(value: unknown, status?: number): void;
  /** Begins a stream; `write` resolves to false when it is to stop. */
  stream(contentType: string): (text: string) => Promise<boolean>;
  /** Bytes without end, as fast as they are read. */
  flood(contentType: string, text: string): void;
  end(): void;
}

export interface ModelHttpServer {
  readonly url: string;
  readonly manners: Manners;
  readonly requests: { readonly path: string; readonly body: Json; readonly authorization: string | undefined }[];
  /** Resolves when the next answer's connection has ended, by whichever side. */
  nextEnd(): Promise<void>;
  close(): Promise<void>;
}

/** `port`: to come back where one was before. */
export async function startModelServer(
  pages: Readonly<Record<string, (page: Page) => void | Promise<void>>>,
  port = 0,
): Promise<ModelHttpServer> {
  const manners: Manners = {};
  const requests: ModelHttpServer['requests'] = [];
  const enders = new Set<() => void>();
  const server = createServer((request, response) => void serve(request, response));

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (manners.hangsUp === true) {
      manners.hangsUp = false;
      request.socket.destroy();
      return;
    }
    const path = request.url ?? '';
    let text = '';
    for await (const chunk of request) text += chunk;
    const body: Json = text === '' ? undefined : JSON.parse(text);
    requests.push({ path, body, authorization: request.headers.authorization });
    const controller = new AbortController();
    response.on('close', () => {
      controller.abort();
      for (const end of enders) end();
      enders.clear();
    });
    const handle = pages[path];
    if (handle === undefined) {
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not found"}');
      return;
    }
    const { floods } = manners;
    const refuse = manners.refuse ?? (hasRow(body?.messages) ? manners.refuseRows : undefined);
    if (refuse !== undefined && request.method === 'POST') {
      response.writeHead(refuse.status, refuse.headers).end(refuse.body);
      return;
    }
    const page = pageOf(response, body, controller.signal, manners);
    if (floods === true && request.method === 'POST') page.flood('text/event-stream', 'x'.repeat(64 * 1024));
    else await handle(page);
  }

  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    manners,
    requests,
    nextEnd: () => new Promise((resolve) => enders.add(resolve)),
    close,
  };
}

function hasRow(messages: readonly { readonly role: string }[] = []): boolean {
  return messages.some(({ role }, index) => role === messages[index - 1]?.role);
}

function pageOf(response: ServerResponse, body: Json, signal: AbortSignal, manners: Manners): Page {
  let chunks = 0;
  return {
    body,
    signal,
    json: (value, status = 200) =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value)),
    end: () => void response.end(),
    flood(contentType, text) {
      response.writeHead(200, { 'content-type': contentType });
      const pour = () => {
        while (!response.destroyed && response.write(text));
      };
      response.on('drain', pour);
      pour();
    },
    stream(contentType) {
      response.writeHead(200, { 'content-type': contentType });
      response.flushHeaders();
      return async (text) => {
        chunks += 1;
        if (manners.breakAfter !== undefined && chunks > manners.breakAfter) response.destroy();
        else if (manners.endAfter !== undefined && chunks > manners.endAfter) response.end();
        if (response.destroyed || response.writableEnded) return false;
        // In small parts, so that they cut through characters, lines and events.
        const bytes = Buffer.from(text, 'utf8');
        for (let at = 0; at < bytes.length; at += 11) response.write(bytes.subarray(at, at + 11));
        return true;
      };
    },
  };
}
