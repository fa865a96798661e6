/** Requests that never end, over real connections on the real clock. */
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { HTTP_HEADERS_TIMEOUT_MS, HTTP_LATE_CHECK_MS, HTTP_REQUEST_TIMEOUT_MS } from '../../src/limits/limits.ts';
import { startListening } from '../setup/listening-server.ts';
import { rawRequest } from '../setup/raw-request.ts';

/** Beyond the check of every second, for a busy machine. */
const SLACK_MS = 2_500;

/** Resolves with what came, and after how long the other end closed. */
async function untilCut(url: string, text: string) {
  const { hostname, port } = new URL(url);
  const startMs = performance.now();
  const socket = connect(Number(port), hostname);
  if (text !== '') socket.write(text);
  let reply = '';
  for await (const chunk of socket.setEncoding('utf8')) reply += chunk;
  return { reply, ms: performance.now() - startMs };
}

describe('a request that is slow to arrive', () => {
  it('AP93: is cut within a second of its time, 10 s for the headers and 30 s for the whole, with the reason', async () => {
    const { url } = await startListening();
    const head = 'POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n';
    const [silent, headers, body] = await Promise.all([
      untilCut(url, ''),
      untilCut(url, head),
      untilCut(url, `${head}Content-Length: 100\r\n\r\n{"messages"`),
    ]);
    for (const { ms } of [silent, headers]) {
      expect(ms).toBeGreaterThan(HTTP_HEADERS_TIMEOUT_MS - 100);
      expect(ms).toBeLessThan(HTTP_HEADERS_TIMEOUT_MS + HTTP_LATE_CHECK_MS + SLACK_MS);
    }
    expect(body.ms).toBeGreaterThan(HTTP_REQUEST_TIMEOUT_MS - 100);
    expect(body.ms).toBeLessThan(HTTP_REQUEST_TIMEOUT_MS + HTTP_LATE_CHECK_MS + SLACK_MS);
    for (const { reply } of [headers, body]) {
      expect(reply).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
      expect(JSON.parse(reply.split('\r\n\r\n')[1] ?? '').error).toMatchObject({
        code: 'request_timeout',
        type: 'invalid_request_error',
      });
    }
  }, 60_000);
});

describe('a request that can not be read', () => {
  it.each<[string, number, string, string[]]>([
    ['no HTTP', 400, 'invalid_request', ['hello']],
    ['two lengths', 400, 'invalid_request', ['POST / HTTP/1.1', 'Host: a', 'Content-Length: 1', 'Content-Length: 2']],
    ['headers without end', 431, 'headers_too_large', ['GET / HTTP/1.1', 'Host: a', `X: ${'x'.repeat(40_000)}`]],
  ])('AP93: for %s is %i in the shape of every error', async (_what, status, code, lines) => {
    const { url } = await startListening();
    const reply = await rawRequest(url, lines);
    expect(reply.status).toBe(status);
    expect(JSON.parse(reply.body).error).toMatchObject({ code, param: null });
  });
});
