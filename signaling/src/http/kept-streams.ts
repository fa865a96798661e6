/**
 * The event streams that can be read on, each by whoever asked for it: `x-tabmesh-resume: 1` makes one,
 * `GET /v1/streams/<job>` with `Last-Event-ID` goes on with it. Bounded for each client and for all; past that a stream
 * is as any other.
 */
import { type Clock, MeshError } from '@tabmesh/shared';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { clientOf } from '../http/request-client.ts';
import { MAX_CLIENT_KEPT_STREAMS, MAX_KEPT_CHARS, MAX_KEPT_STREAMS } from '../limits/limits.ts';
import { refusal } from './error-reply.ts';
import { type EventStream, prepareEventStream } from './event-stream.ts';
import { KeptStream } from './kept-stream.ts';
import { outliveReader } from './request-abort.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Of this server's answers. */
    readonly keptStreams: KeptStreams;
  }
}

export const RESUME_HEADER = 'x-tabmesh-resume';
export const RESUME_URL_HEADER = 'x-tabmesh-resume-url';

/** Before the guards' routes are asked for, and so that the guard of `/v1` stands before it. */
export function registerKeptStreams(app: FastifyInstance, clock: Clock, mostChars = MAX_KEPT_CHARS): void {
  const streams = new KeptStreams(clock, mostChars);
  app.decorate('keptStreams', streams);
  app.addHook('onClose', async () => streams.close());
  app.get<{ Params: { job: string } }>('/v1/streams/:job', async (request, reply) => {
    const stream = streams.find(request.params.job, clientOf(request));
    if (stream === undefined) return refuse(reply);
    const events = stream.eventsBehind(lastIdOf(request));
    if (events === undefined) return refuse(reply);
    // What an EventSource takes for the end.
    if (events === '' && stream.isEnded) return reply.code(204).send();
    reply.headers({ 'x-tabmesh-job': request.params.job, [RESUME_URL_HEADER]: urlOf(request.params.job) });
    stream.readOn(reply, events);
    return reply;
  });
}

export class KeptStreams {
  readonly #clock: Clock;
  readonly #mostChars: number;
  /** By job, the oldest first. */
  readonly #streams = new Map<string, { readonly client: string; readonly stream: KeptStream }>();
  #chars = 0;

  constructor(clock: Clock, mostChars: number) {
    this.#clock = clock;
    this.#mostChars = mostChars;
  }

  get keptChars(): number {
    return this.#chars;
  }

  /** Undefined unless the client asked for one, and where there is no room for another. */
  open(reply: FastifyReply, job: string, abort: AbortController): EventStream | undefined {
    const { request } = reply;
    if (request.headers[RESUME_HEADER] !== '1' || !request.url.startsWith('/v1/')) return undefined;
    const client = clientOf(request);
    if (!this.#makeRoom(client) || this.#streams.has(job)) return undefined;
    reply.header(RESUME_URL_HEADER, urlOf(job));
    outliveReader(reply);
    const stream = new KeptStream(prepareEventStream(reply), reply.server.unreadReplies.hold(reply), {
      clock: this.#clock,
      abort,
      onKept: (chars) => {
        this.#chars += chars;
        if (this.#chars > this.#mostChars) this.#shed();
      },
      onForgotten: () => this.#streams.delete(job),
    });
    this.#streams.set(job, { client, stream });
    return stream;
  }

  /** Another's is none. */
  find(job: string, client: string): KeptStream | undefined {
    const known = this.#streams.get(job);
    return known?.client === client ? known.stream : undefined;
  }

  close(): void {
    for (const { stream } of [...this.#streams.values()]) stream.forget();
  }

  /** Of the client's, and of all, the oldest that has ended makes room. */
  #makeRoom(client: string): boolean {
    const own = [...this.#streams.values()].filter((known) => known.client === client);
    if (own.length >= MAX_CLIENT_KEPT_STREAMS && !forgetEnded(own)) return false;
    return this.#streams.size < MAX_KEPT_STREAMS || forgetEnded([...this.#streams.values()]);
  }

  /** Whoever holds most gives it back: its reader, if there is one, reads on, and can't come back. */
  #shed(): void {
    const all = [...this.#streams.values()];
    if (forgetEnded(all) && this.#chars <= this.#mostChars) return;
    const [largest] = all.sort((a, b) => b.stream.keptChars - a.stream.keptChars);
    largest?.stream.forget();
  }
}

function forgetEnded(streams: readonly { readonly stream: KeptStream }[]): boolean {
  const ended = streams.find(({ stream }) => stream.isEnded);
  ended?.stream.forget();
  return ended !== undefined;
}

function urlOf(job: string): string {
  return `/v1/streams/${job}`;
}

function lastIdOf({ headers }: FastifyRequest): number {
  const text = headers['last-event-id'];
  if (text === undefined) return 0;
  if (typeof text === 'string' && /^\d{1,15}$/.test(text)) return Number(text);
  throw new MeshError('invalid_request', 'Last-Event-ID is wrong: give the id of the last event that came.', {
    details: { param: 'last-event-id' },
  });
}

function refuse(reply: FastifyReply): FastifyReply {
  const { status, body } = refusal(
    'stream_not_found',
    `There is no such stream for you, or the events behind that one are gone: they are kept for a minute. Send the request again.`,
  );
  return reply.code(status).send(body);
}
