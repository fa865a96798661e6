/** `POST /v1/responses`: OpenAI's newer endpoint, whole or as its events. Nothing is kept between two requests. */
import { type Logger, MeshError, type TokenLogprob } from '@tabmesh/shared';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ServerParts } from '../build-server.ts';
import { errorReply } from '../http/error-reply.ts';
import type { EventStream } from '../http/event-stream.ts';
import { startStream } from './chat-completions.ts';
import { type MeshAnswers, openAnswers } from './mesh-answers.ts';
import { ResponseBuilder, type ResponseHead } from './responses-builder.ts';
import { type ResponseQuestion, readResponseRequest } from './responses-request.ts';
import type { AnswerPart } from './tools/tool-call-reader.ts';

export function registerResponses(app: FastifyInstance, parts: ServerParts): void {
  app.post('/v1/responses', (request, reply) => answerResponse(parts, request, reply));
}

async function answerResponse({ clock, logger, ...parts }: ServerParts, request: FastifyRequest, reply: FastifyReply) {
  const seconds = () => Math.floor(clock.wallMs() / 1000);
  const asked = await openAnswers({ clock, logger, ...parts }, request, reply, readResponseRequest);
  const { jobId, model } = asked.answers[0];
  const head: ResponseHead = { jobId, model, created: seconds(), settings: asked.question.settings };
  if (!asked.question.stream) return build(asked, new ResponseBuilder(head), seconds);
  // From here on the reply is written by hand: fastify's stream handling costs more than a token's own work.
  reply.hijack();
  await stream(asked, head, startStream(reply, clock), seconds, logger);
  return reply;
}

async function stream(
  asked: MeshAnswers<ResponseQuestion>,
  head: ResponseHead,
  events: EventStream,
  seconds: () => number,
  logger: Logger,
): Promise<void> {
  const builder = new ResponseBuilder(head, (event) => events.send(JSON.stringify(event), event.type));
  try {
    await build(asked, builder, seconds, () => events.backlog());
  } catch (error) {
    const fields = { job: head.jobId };
    if (events.isCutOff) logger.debug({ ...fields, reason: 'client_disconnected' }, 'A response was cancelled.');
    else {
      const { code, message } = errorReply(error).body.error;
      logger.warn({ ...fields, code, message }, 'A response failed after it had begun.');
      builder.fail({ code, message });
    }
  } finally {
    events.end();
  }
}

/** Gives the response once it is complete. */
async function build(
  { question, answers }: MeshAnswers<ResponseQuestion>,
  builder: ResponseBuilder,
  seconds: () => number,
  backlog: () => Promise<void> | undefined = () => undefined,
): Promise<object> {
  const reader = question.reader?.();
  let untold: TokenLogprob[] = [];
  const add = (parts: readonly AnswerPart[]) => {
    for (const part of parts) {
      builder.add(part, untold);
      untold = [];
    }
  };
  builder.begin();
  for await (const event of answers[0].events) {
    if (event.type === 'end') {
      if (reader !== undefined) add(reader.end());
      // Of a last token without a text.
      else if (untold.length > 0) add([{ type: 'text', text: '' }]);
      return builder.end(event.reason, event.usage, seconds());
    }
    const { text, logprobs } = event;
    if (logprobs !== undefined) untold.push(...logprobs);
    if (reader !== undefined) add(reader.push(text));
    else if (text !== '') add([{ type: 'text', text }]);
    const waiting = backlog();
    if (waiting !== undefined) await waiting;
  }
  throw new MeshError('upstream_failed', 'The answer stopped without an end. Send the request again.');
}
