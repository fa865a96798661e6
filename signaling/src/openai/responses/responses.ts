/** `POST /v1/responses`: OpenAI's newer endpoint, whole or as its events. Nothing is kept between two requests. */
import type { Logger, TokenLogprob } from '@tabmesh/shared';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { endedTooSoon } from '../../answers/opened-answer.ts';
import { streamReply } from '../../http/stream-reply.ts';
import { type AnsweringParts, type MeshAnswers, openAnswers } from '../mesh-answers.ts';
import type { AnswerPart } from '../tools/tool-call-reader.ts';
import { ResponseBuilder, type ResponseHead } from './response-builder.ts';
import { type ResponseQuestion, readResponseRequest } from './response-request.ts';

export interface ResponsesParts extends AnsweringParts {
  readonly logger: Logger;
}

export function registerResponses(app: FastifyInstance, parts: ResponsesParts): void {
  app.post('/v1/responses', (request, reply) => answerResponse(parts, request, reply));
}

async function answerResponse(parts: ResponsesParts, request: FastifyRequest, reply: FastifyReply) {
  const { clock, logger } = parts;
  const seconds = () => Math.floor(clock.wallMs() / 1000);
  const asked = await openAnswers(parts, request, reply, readResponseRequest);
  const { jobId, model } = asked.answers[0];
  const head: ResponseHead = { jobId, model, created: seconds(), settings: asked.question.settings };
  if (!asked.question.stream) return build(asked, new ResponseBuilder(head), seconds);
  let builder: ResponseBuilder | undefined;
  return streamReply({
    reply,
    clock,
    logger,
    abort: asked.abort,
    job: jobId,
    async write(stream) {
      builder = new ResponseBuilder(head, (event) => stream.send(JSON.stringify(event), event.type));
      await build(asked, builder, seconds, () => stream.backlog());
    },
    writeFailure: (_stream, { error: { code, message } }) => builder?.fail({ code, message }),
  });
}

/** Gives the response once it is complete. */
async function build(
  { question, answers }: MeshAnswers<ResponseQuestion>,
  builder: ResponseBuilder,
  seconds: () => number,
  backlog: () => Promise<void> | undefined = () => undefined,
): Promise<object> {
  const reader = question.toolReader?.();
  let pendingLogprobs: TokenLogprob[] = [];
  const add = (parts: readonly AnswerPart[]) => {
    for (const part of parts) {
      builder.add(part, pendingLogprobs);
      pendingLogprobs = [];
    }
  };
  builder.begin();
  for await (const event of answers[0].events) {
    if (event.type === 'end') {
      if (reader !== undefined) add(reader.end());
      // The last token may have a probability and no text.
      else if (pendingLogprobs.length > 0) add([{ type: 'text', text: '' }]);
      return builder.end(event.reason, event.usage, seconds());
    }
    const { text, logprobs } = event;
    if (logprobs !== undefined) pendingLogprobs.push(...logprobs);
    if (reader !== undefined) add(reader.push(text));
    else if (text !== '') add([{ type: 'text', text }]);
    const waiting = backlog();
    if (waiting !== undefined) await waiting;
  }
  throw endedTooSoon();
}
