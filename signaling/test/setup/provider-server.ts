/** A second HTTP server that speaks OpenAI's streaming protocol, or breaks it in a way that a test chooses. */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type ProviderBehaviour =
  | 'answers'
  | 'answers-without-usage'
  | 'status-401-with-key'
  | 'status-500'
  | 'redirects'
  | 'no-sse'
  | 'reports-error'
  | 'silent'
  /** One word, then nothing until the client leaves. */
  | 'hangs'
  | 'dies';

export interface ReceivedRequest {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
}

export interface ProviderServer {
  readonly url: string;
  readonly requests: ReceivedRequest[];
  behaviour: ProviderBehaviour;
  /** Resolves when the next request has arrived whole. */
  asked(): Promise<void>;
  /** Resolves when the first client left before its answer was complete. */
  readonly abandoned: Promise<void>;
  close(): Promise<void>;
}

export const PROVIDER_KEY = 'sk-never-to-be-seen-0123456789';

export async function startProvider(behaviour: ProviderBehaviour = 'answers'): Promise<ProviderServer> {
  const waiting: (() => void)[] = [];
  let reportAbandoned = () => {};
  const abandoned = new Promise<void>((resolve) => {
    reportAbandoned = resolve;
  });
  const requests: ReceivedRequest[] = [];
  const server = createServer(async (request, response) => {
    response.on('close', () => {
      if (!response.writableFinished) reportAbandoned();
    });
    const body = await readBody(request);
    requests.push({ url: request.url ?? '', headers: request.headers, body });
    for (const release of waiting.splice(0)) release();
    play(provider.behaviour, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const provider: ProviderServer = {
    url: `http://127.0.0.1:${port}/v1`,
    requests,
    behaviour,
    abandoned,
    asked: () => new Promise<void>((resolve) => waiting.push(resolve)),
    close() {
      server.closeAllConnections();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return provider;
}

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const part of request) text += String(part);
  return JSON.parse(text);
}

function play(behaviour: ProviderBehaviour, response: ServerResponse): void {
  if (behaviour === 'silent') return;
  if (behaviour === 'redirects') {
    response.writeHead(307, { location: 'http://127.0.0.1:1/elsewhere' }).end();
    return;
  }
  if (behaviour === 'status-401-with-key' || behaviour === 'status-500') {
    const status = behaviour === 'status-500' ? 500 : 401;
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: { message: `Incorrect API key provided: ${PROVIDER_KEY}` } }));
    return;
  }
  if (behaviour === 'no-sse') {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html>captive portal</html>');
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  if (behaviour === 'reports-error') {
    response.end(`data: ${JSON.stringify({ error: { message: `no credit for ${PROVIDER_KEY}` } })}\n\n`);
    return;
  }
  // Comments and CRLF, as real gateways send them, and a character cut in two.
  response.write(': PROCESSING\r\n\r\n');
  response.write(chunk({ role: 'assistant', content: '' }));
  const [head, tail] = cutInside(chunk({ content: 'Grüße' }), 'ü');
  response.write(head);
  response.write(tail);
  if (behaviour === 'hangs') return;
  if (behaviour === 'dies') {
    setImmediate(() => response.destroy());
    return;
  }
  response.write(chunk({ content: ' from outside' }));
  response.write(chunk({}, 'stop'));
  if (behaviour === 'answers') {
    response.write(line({ choices: [], usage: { prompt_tokens: 7, completion_tokens: 4, total_tokens: 11 } }));
  }
  response.end('data: [DONE]\r\n\r\n');
}

function chunk(delta: object, finishReason: string | null = null): string {
  return line({ id: 'theirs', model: 'theirs', choices: [{ index: 0, delta, finish_reason: finishReason }] });
}

function line(data: object): string {
  return `data: ${JSON.stringify(data)}\r\n\r\n`;
}

function cutInside(text: string, character: string): [Buffer, Buffer] {
  const bytes = Buffer.from(text);
  const at = Buffer.byteLength(text.slice(0, text.indexOf(character))) + 1;
  return [bytes.subarray(0, at), bytes.subarray(at)];
}
