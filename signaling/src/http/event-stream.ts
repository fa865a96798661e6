/**
 * Server-sent events on a raw response: what one turn of the event loop brings leaves in one write, and a client that
 * does not read holds the producer instead of filling this process's memory.
 */
import type { ServerResponse } from 'node:http';
import type { Clock } from '@tabmesh/shared';
import type { FastifyReply } from 'fastify';
import { STREAM_FLUSH_CHARS, STREAM_UNREAD_MS } from '../limits/limits.ts';
import type { UnreadShare } from '../limits/unread-bytes.ts';
import './unread-replies.ts';

/** Takes the reply over from fastify, whose stream handling costs more than a token's own work, with the headers set so far. */
export function openEventStream(reply: FastifyReply, clock: Clock): EventStream {
  return new EventStream(prepareEventStream(reply), clock, reply.server.unreadReplies.hold(reply));
}

export function prepareEventStream(reply: FastifyReply): ServerResponse {
  reply.hijack();
  const response = reply.raw;
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) response.setHeader(name, value);
  }
  response.setHeader('content-type', 'text/event-stream; charset=utf-8');
  response.setHeader('cache-control', 'no-cache');
  // Proxies such as nginx would otherwise gather the tokens.
  response.setHeader('x-accel-buffering', 'no');
  return response;
}

export class EventStream {
  readonly #response: ServerResponse;
  readonly #clock: Clock;
  readonly #unread: UnreadShare;
  #pending = '';
  #flushScheduled = false;
  #state: 'open' | 'ended' = 'open';

  constructor(response: ServerResponse, clock: Clock, unread: UnreadShare) {
    this.#response = response;
    this.#clock = clock;
    this.#unread = unread;
  }

  /** The client is gone. */
  get isCutOff(): boolean {
    return this.#response.destroyed;
  }

  /** `data` is one line, mostly JSON; a client listens to an `event` by its name. */
  send(data: string, event?: string): void {
    this.write(event === undefined ? `data: ${data}\n\n` : `event: ${event}\ndata: ${data}\n\n`);
  }

  /** Clients pass over it; it keeps proxies from closing a quiet connection. */
  comment(text: string): void {
    this.write(`: ${text}\n\n`);
  }

  /** Whole events, as the protocol has them. */
  write(text: string): void {
    this.#pending += text;
    if (this.#pending.length >= STREAM_FLUSH_CHARS) this.#flush();
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  /** Undefined while the client keeps up, else resolves once it has caught up, or is gone or cut off. */
  backlog(): Promise<void> | undefined {
    if (!this.#response.writableNeedDrain || this.#response.destroyed) return undefined;
    return new Promise((resolve) => {
      const cancel = this.#clock.after(STREAM_UNREAD_MS, () => this.#response.destroy());
      const done = () => {
        cancel();
        this.#response.off('drain', done);
        this.#response.off('close', done);
        resolve();
      };
      this.#response.on('drain', done);
      this.#response.on('close', done);
    });
  }

  end(): void {
    if (this.#state === 'ended') return;
    this.#flush();
    this.#state = 'ended';
    this.#response.end();
  }

  #flush(): void {
    if (this.#pending === '' || this.#state === 'ended') return;
    const pending = this.#pending;
    this.#pending = '';
    if (this.#response.write(pending)) return;
    const { writableLength } = this.#response;
    this.#unread.set(writableLength);
    this.#response.once('drain', () => this.#unread.set(0));
  }
}
