/**
 * One streaming request to the provider, as the data lines of its answer. Plain `node:http`, because its limits for
 * connecting, for the first byte and for silence are apart here, and because it follows no redirect: the key goes to the
 * named host only. Errors carry no text of the provider's, which may quote the key.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { TLSSocket } from 'node:tls';
import { type Clock, MeshError } from '@tabmesh/shared';
import {
  MAX_PROVIDER_LINE_CHARS,
  PROVIDER_CONNECT_MS,
  PROVIDER_FIRST_BYTE_MS,
  PROVIDER_SILENCE_MS,
} from '../limits/limits.ts';

export interface ProviderRequest {
  readonly endpoint: URL;
  readonly key: string;
  readonly body: object;
  readonly clock: Clock;
}

/**
 * Leaving the loop or aborting ends the request.
 * @throws MeshError `upstream_failed`, or `cancelled` when `signal` aborted.
 */
export async function* providerData(
  { endpoint, key, body, clock }: ProviderRequest,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const abort = new AbortController();
  const leave = () => abort.abort(MeshError.cancelled());
  if (signal.aborted) leave();
  signal.addEventListener('abort', leave, { once: true });
  let cancelDeadline = () => {};
  const within = (ms: number, what: string) => {
    cancelDeadline();
    cancelDeadline = clock.after(ms, () => abort.abort(providerFailed(`${what} within ${ms / 1000} s`)));
  };
  try {
    within(PROVIDER_CONNECT_MS, 'it could not be reached');
    const connected = () => within(PROVIDER_FIRST_BYTE_MS, 'it sent nothing');
    const response = await send(endpoint, key, JSON.stringify(body), abort.signal, connected);
    if (response.statusCode !== 200) throw providerFailed(`it answered with status ${response.statusCode}`);
    for await (const data of dataLines(response)) {
      // The time that our own client takes to read is not the provider's silence.
      cancelDeadline();
      yield data;
      within(PROVIDER_SILENCE_MS, 'it sent nothing');
    }
  } catch (error) {
    if (abort.signal.aborted) throw abort.signal.reason;
    throw MeshError.is(error) ? error : providerFailed(reasonOf(error));
  } finally {
    cancelDeadline();
    signal.removeEventListener('abort', leave);
    abort.abort();
  }
}

export function providerFailed(reason: string): MeshError {
  return new MeshError('upstream_failed', `The fallback provider failed: ${reason}. Send the message again.`);
}

function send(
  endpoint: URL,
  key: string,
  body: string,
  signal: AbortSignal,
  onConnected: () => void,
): Promise<IncomingMessage> {
  const start = endpoint.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const request = start(endpoint, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        accept: 'text/event-stream',
      },
      signal,
    });
    request.on('socket', (socket) => {
      // A connection that was kept open from the last request.
      if (!socket.connecting) onConnected();
      else socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', onConnected);
    });
    request.on('error', reject);
    request.on('response', (response) => {
      // After our client has left, an error of the connection concerns nobody.
      response.on('error', () => {});
      resolve(response);
    });
    request.end(body);
  });
}

/** OpenAI's protocol puts every event on one `data:` line; comments, names and blank lines say nothing more. */
async function* dataLines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const part of bytes) {
    rest += decoder.decode(part, { stream: true });
    const lines = rest.split(/\r?\n/);
    rest = lines.pop() ?? '';
    if (rest.length > MAX_PROVIDER_LINE_CHARS) throw providerFailed('it sent a line without an end');
    for (const line of lines) if (line.startsWith('data:')) yield line.slice('data:'.length).trim();
  }
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return code === '' ? 'its connection broke' : `its connection broke (${code})`;
}
