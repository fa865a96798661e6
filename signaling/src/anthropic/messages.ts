/** `POST /v1/messages` and `/v1/messages/count_tokens`: Anthropic's API, which Claude Code and its like speak. */
import type { Logger } from '@tabmesh/shared';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { endedTooSoon } from '../answers/opened-answer.ts';
import { streamReply } from '../http/stream-reply.ts';
import { type AnsweringParts, type MeshAnswers, openAnswers } from '../openai/mesh-answers.ts';
import { MessageBuilder } from './message-builder.ts';
import { messageError, speaksMessages } from './message-errors.ts';
import { type MessageQuestion, readCountRequest, readMessageRequest } from './message-request.ts';

export interface MessagesParts extends AnsweringParts {
  readonly logger: Logger;
}

export function registerMessages(app: FastifyInstance, parts: MessagesParts): void {
  // By this name Anthropic's clients show it with every error.
  app.addHook('onRequest', async ({ url, id }, reply) => {
    if (speaksMessages(url)) reply.header('request-id', id);
  });
  app.post('/v1/messages', (request, reply) => answerMessage(parts, request, reply));
  app.post('/v1/messages/count_tokens', (request, reply) => countTokens(parts, request, reply));
}

async function answerMessage(parts: MessagesParts, request: FastifyRequest, reply: FastifyReply) {
  const { clock, logger } = parts;
  const asked = await openAnswers(parts, request, reply, readMessageRequest);
  const { jobId, model } = asked.answers[0];
  if (!asked.question.stream) return build(asked, new MessageBuilder({ jobId, model }));
  return streamReply({
    reply,
    clock,
    logger,
    abort: asked.abort,
    job: jobId,
    async write(stream) {
      const send = (event: { readonly type: string }) => stream.send(JSON.stringify(event), event.type);
      await build(asked, new MessageBuilder({ jobId, model }, send), () => stream.backlog());
    },
    writeFailure: (stream, failure) => stream.send(JSON.stringify(messageError(failure, request.id)), 'error'),
  });
}

/** Gives the message once it is complete. */
async function build(
  { question, answers }: MeshAnswers<MessageQuestion>,
  builder: MessageBuilder,
  backlog: () => Promise<void> | undefined = () => undefined,
): Promise<object> {
  const reader = question.toolReader?.();
  builder.begin();
  for await (const event of answers[0].events) {
    if (event.type === 'end') {
      for (const part of reader?.end() ?? []) builder.add(part);
      const { reason, usage, stopText = '' } = event;
      return builder.end({ reason, usage, stopText: question.stopSequences.find((text) => text === stopText) });
    }
    const { text, thought } = event;
    if (thought === true) {
      if (question.tellsThoughts && text !== '') builder.think(text);
    } else if (reader !== undefined) for (const part of reader.push(text)) builder.add(part);
    else if (text !== '') builder.add({ type: 'text', text });
    const waiting = backlog();
    if (waiting !== undefined) await waiting;
  }
  throw endedTooSoon();
}

/** By the model that would answer, which reads the prompt for it: a count that is right, and a prefix that is kept. */
async function countTokens(parts: MessagesParts, request: FastifyRequest, reply: FastifyReply) {
  const { answers } = await openAnswers(parts, request, reply, readCountRequest);
  for await (const event of answers[0].events) {
    if (event.type === 'end') return { input_tokens: event.usage.promptTokens };
  }
  throw endedTooSoon();
}
