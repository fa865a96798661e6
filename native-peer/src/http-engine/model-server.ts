/** Requests to one server, with its key, and the text of its streams. */
import { MeshError } from '@tabmesh/shared';
import { createParser } from 'eventsource-parser';
import { MOST_MESSAGE_CHARS } from '../limits.ts';
import { refusalOf, unreachable } from './server-failure.ts';

export interface ModelServerOptions {
  /** With or without the `/v1` that OpenAI's clients want. */
  readonly url: string;
  /** Sent as a bearer token; to this server only. */
  readonly key: string | undefined;
}

export class ModelServer {
  readonly #base: string;
  readonly #key: string | undefined;

  constructor({ url, key }: ModelServerOptions) {
    this.#base = url.replace(/\/+$/, '').replace(/\/v1$/, '');
    this.#key = key;
  }

  /** @throws MeshError */
  async get(path: string, signal: AbortSignal): Promise<unknown> {
    return this.#json(await this.#request(path, { signal }));
  }

  /** Undefined when the server has no such page: it is another program, or an older one. */
  async find(path: string, signal: AbortSignal): Promise<unknown> {
    try {
      return await this.get(path, signal);
    } catch (error) {
      if (signal.aborted || isUnreachable(error)) throw error;
      return undefined;
    }
  }

  /** @throws MeshError */
  async post(path: string, body: object, signal: AbortSignal): Promise<unknown> {
    return this.#json(await this.#request(path, posting(body, signal)));
  }

  /** The data of server-sent events. @throws MeshError */
  async *events(path: string, body: object, signal: AbortSignal): AsyncGenerator<string> {
    const ready: string[] = [];
    let failure: Error | undefined;
    const parser = createParser({
      maxBufferSize: MOST_MESSAGE_CHARS,
      onEvent: ({ data }) => ready.push(data),
      onError: (error) => {
        if (error.type === 'max-buffer-size-exceeded') failure = error;
      },
    });
    for await (const text of this.#texts(path, body, signal)) {
      parser.feed(text);
      yield* ready.splice(0);
      if (failure !== undefined) throw MeshError.engineFailed('its server sent an event without an end', failure);
    }
    // The last event of a server that forgets the empty line behind it.
    parser.feed('\n\n');
    yield* ready;
  }

  /** The lines of newline-delimited JSON. @throws MeshError */
  async *lines(path: string, body: object, signal: AbortSignal): AsyncGenerator<string> {
    let rest = '';
    for await (const text of this.#texts(path, body, signal)) {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > MOST_MESSAGE_CHARS) throw MeshError.engineFailed('its server sent a line without an end');
      for (const line of lines) if (line.trim() !== '') yield line;
    }
    if (rest.trim() !== '') yield rest;
  }

  async *#texts(path: string, body: object, signal: AbortSignal): AsyncGenerator<string> {
    const { body: bytes } = await this.#request(path, posting(body, signal));
    if (bytes === null) return;
    const decoder = new TextDecoder();
    const reader = bytes.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        yield decoder.decode(value, { stream: true });
      }
    } catch (error) {
      throw signal.aborted ? MeshError.cancelled() : unreachable(error);
    } finally {
      // Closes the connection of an answer that was left, which is how servers hear of it.
      await reader.cancel().catch(() => {});
    }
  }

  async #request(path: string, init: RequestInit & { signal: AbortSignal }): Promise<Response> {
    const headers = new Headers(init.headers);
    if (this.#key !== undefined) headers.set('authorization', `Bearer ${this.#key}`);
    const ask = () => fetch(this.#base + path, { ...init, headers, redirect: 'error' });
    let response: Response;
    try {
      response = await ask().catch((error: unknown) => {
        if (init.signal.aborted || !isStale(error)) throw error;
        return ask();
      });
    } catch (error) {
      throw init.signal.aborted ? MeshError.cancelled() : unreachable(error);
    }
    if (response.ok) return response;
    const text = await response.text().catch(() => '');
    throw refusalOf(response.status, text, response.headers.get('retry-after'));
  }

  async #json(response: Response): Promise<unknown> {
    try {
      return await response.json();
    } catch (error) {
      throw MeshError.engineFailed('its server answered with what is no JSON', error);
    }
  }
}

export function isUnreachable(error: unknown): boolean {
  return MeshError.is(error, 'engine_failed') && error.details.unreachable === true;
}

/** The server closed a resting connection just when it was used again: it has not even seen the request. */
function isStale(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && STALE.has(cause.code);
}

const STALE: ReadonlySet<unknown> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

function posting(body: object, signal: AbortSignal) {
  return { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), signal };
}
