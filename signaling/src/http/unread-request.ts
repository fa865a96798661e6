/** What is told to whoever sent no request that could be read: too slow, headers too large, or no HTTP. */
import type { Socket } from 'node:net';
import { HTTP_HEADERS_TIMEOUT_MS, HTTP_REQUEST_TIMEOUT_MS } from '../limits/limits.ts';
import { type ErrorReply, refusal } from './error-reply.ts';
import { newRequestId, REQUEST_ID_HEADER } from './request-id.ts';

/** Answers on the bare connection, then ends it. */
export function answerUnread(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  if (socket.writable) {
    const { status, reason, body } = answerTo(error.code);
    const text = JSON.stringify(body);
    const head = `HTTP/1.1 ${status} ${reason}\r\n${REQUEST_ID_HEADER}: ${newRequestId()}\r\ncontent-type: application/json; charset=utf-8\r\nconnection: close\r\n`;
    socket.write(`${head}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  }
  socket.destroy(error);
}

function answerTo(code: string | undefined): ErrorReply & { readonly reason: string } {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { ...refusal('request_timeout', TOO_SLOW), reason: 'Request Timeout' };
    case 'HPE_HEADER_OVERFLOW':
      return { ...refusal('headers_too_large', TOO_LARGE), reason: 'Request Header Fields Too Large' };
    default:
      return { ...refusal('invalid_request', NO_HTTP), reason: 'Bad Request' };
  }
}

const TOO_SLOW = `The request came too slowly: its headers may take ${HTTP_HEADERS_TIMEOUT_MS / 1000} s, the whole of it ${HTTP_REQUEST_TIMEOUT_MS / 1000} s. Send it again at once.`;
const TOO_LARGE = 'The headers of the request are too large. Send fewer or shorter ones, such as cookies.';
const NO_HTTP = 'The request is no HTTP that could be read. Check its first line and headers.';
