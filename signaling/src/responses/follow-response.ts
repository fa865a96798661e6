/** The events of a response that is written in the background, from any number on, to whoever asks: leaving stops nothing. */
import type { Clock } from '@tabmesh/shared';
import type { FastifyReply } from 'fastify';
import { type EventStream, openEventStream } from '../http/event-stream.ts';
import type { BackgroundResponse } from './background-responses.ts';

/** Resolves when the stream has ended, however it did. */
export async function followResponse(
  { clock }: { readonly clock: Clock },
  reply: FastifyReply,
  work: Pick<BackgroundResponse, 'follow'>,
  after: number,
): Promise<FastifyReply> {
  const stream = openEventStream(reply, clock);
  await new Promise<void>((resolve) => {
    const stop = work.follow(after, (json) => (json === undefined ? resolve() : send(stream, json)));
    reply.raw.once('close', () => {
      stop();
      resolve();
    });
  });
  stream.end();
  return reply;
}

/** Of one that is written. */
export function replayResponse(
  { clock }: { readonly clock: Clock },
  reply: FastifyReply,
  events: readonly string[],
  after: number,
): FastifyReply {
  const stream = openEventStream(reply, clock);
  for (const json of events.slice(after + 1)) send(stream, json);
  stream.end();
  return reply;
}

function send(stream: EventStream, json: string): void {
  const { type } = JSON.parse(json) as { readonly type: string };
  stream.send(json, type);
}
