/** `/v1/responses`: OpenAI's newer endpoint. Asked whole, as events or in the background; what is stored is asked for again. */
import { randomUUID } from 'node:crypto';
import { JobId, type Logger, MeshError, type ModelId } from '@tabmesh/shared';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { askingOf } from '../answers/asking.ts';
import { endedTooSoon, openAnswer } from '../answers/opened-answer.ts';
import { lengthOf } from '../http/large-requests.ts';
import { clientOf } from '../http/request-client.ts';
import { streamReply } from '../http/stream-reply.ts';
import { countedAnswer } from '../ledger/counted-answer.ts';
import { LARGE_REQUEST_BYTES } from '../limits/limits.ts';
import { type AnsweringParts, inFieldNames, openAnswers } from '../openai/mesh-answers.ts';
import { checked } from '../openai/tools/schema-check.ts';
import { BackgroundResponses } from './background-responses.ts';
import { bytesToRead, conversationsOf } from './conversation.ts';
import { followResponse } from './follow-response.ts';
import { openShortened } from './open-shortened.ts';
import { ResponseBuilder, type ResponseHead, type ResponseObject } from './response-builder.ts';
import { type ResponseQuestion, readResponseRequest } from './response-request.ts';
import type { ResponseRooms } from './response-rooms.ts';
import { StoredResponses } from './stored-responses.ts';
import { registerStoredRoutes } from './stored-routes.ts';
import { writeResponse } from './write-response.ts';

export interface ResponsesParts extends AnsweringParts {
  readonly logger: Logger;
}

export function registerResponses(app: FastifyInstance, parts: ResponsesParts): void {
  const store = new StoredResponses(parts.clock);
  const background = new BackgroundResponses(store, parts.logger);
  app.addHook('onClose', async () => {
    background.close();
    store.close();
  });
  const rooms = { ...parts, store, background };
  app.post('/v1/responses', (request, reply) => answerResponse(rooms, request, reply));
  app.post('/v1/responses/input_tokens', (request, reply) => countInput(rooms, request, reply));
  registerStoredRoutes(app, rooms);
}

async function answerResponse(rooms: ResponseRooms, request: FastifyRequest, reply: FastifyReply) {
  const { clock, logger, store } = rooms;
  await turnFor(rooms, request);
  if (isForBackground(request.body)) return answerInBackground(rooms, request, reply);
  const asked = await openShortened(
    () => {
      const question = read(rooms, request);
      if (question.keptBytes > 0) holdKept(request, reply, question.keptBytes);
      return question;
    },
    (readNext) => openAnswers(rooms, request, reply, readNext),
  );
  const [answer] = asked.answers;
  const head = headOf(rooms, asked.question, answer.jobId, answer.model);
  const keep = (response: ResponseObject) => {
    if (asked.question.isStored) store.put(clientOf(request), { response, items: asked.question.items });
    return response;
  };
  const written = { question: asked.question, answer, seconds: () => secondsOf(rooms) };
  if (!asked.question.stream) {
    const builder = new ResponseBuilder(head);
    builder.begin();
    return keep(await writeResponse({ ...written, builder }));
  }
  let builder: ResponseBuilder | undefined;
  return streamReply({
    reply,
    clock,
    logger,
    abort: asked.abort,
    job: answer.jobId,
    async write(stream) {
      builder = new ResponseBuilder(head, (event) => stream.send(JSON.stringify(event), event.type));
      builder.begin();
      // Kept in the same moment in which its end is told: the next turn may refer to it.
      keep(await writeResponse({ ...written, builder, backlog: () => stream.backlog() }));
    },
    writeFailure(_stream, { error: { code, message } }) {
      if (builder !== undefined) keep(builder.fail({ code, message }));
    },
  });
}

/** Answers at once; the work has an id of its own, since no job has begun. */
async function answerInBackground(rooms: ResponseRooms, request: FastifyRequest, reply: FastifyReply) {
  const { background } = rooms;
  const question = read(rooms, request);
  const mesh = await rooms.mesh;
  const model = question.requests[0].model ?? mesh.defaultModel();
  const client = clientOf(request);
  const work = background.start({
    client,
    head: headOf(rooms, question, JobId.parse(randomUUID().replaceAll('-', '')), model),
    items: question.items,
    isStreamed: question.stream,
    write: (builder, signal) => writeInBackground(rooms, question, request, builder, signal),
    hold: () => request.server.openRequests.take(client, lengthOf(request) + question.keptBytes),
  });
  return question.stream ? followResponse(rooms, reply, work, -1) : work.response();
}

async function writeInBackground(
  rooms: ResponseRooms,
  question: ResponseQuestion,
  request: FastifyRequest,
  builder: ResponseBuilder,
  signal: AbortSignal,
): Promise<ResponseObject> {
  const asking = askingOf(request);
  const mesh = await rooms.mesh;
  const open = async (readNext: () => ResponseQuestion) => {
    const asked = readNext();
    const opening = openAnswer(mesh.complete({ ...asked.requests[0], ...asking }, signal));
    return { asked, answer: checked(await countedAnswer(rooms.ledger, opening), asked.check) };
  };
  const { answer, asked } = await openShortened(() => question, open).catch((error: unknown) => {
    throw inFieldNames(error, question.fieldNames);
  });
  builder.begin({ model: answer.model, settings: asked.settings(answer.model) });
  return writeResponse({ question: asked, answer, builder, seconds: () => secondsOf(rooms) });
}

/** By a peer, with its tokenizer: what is asked is answered with one token, which no one is shown. */
async function countInput(rooms: ResponseRooms, request: FastifyRequest, reply: FastifyReply) {
  await turnFor(rooms, request);
  const { answers } = await openAnswers(rooms, request, reply, () => {
    const [{ model, messages, conversationId }] = read(rooms, request).requests;
    return { requests: [{ model, messages, conversationId, maxTokens: 1, temperature: 0 }] as const };
  });
  for await (const event of answers[0].events) {
    if (event.type !== 'end') continue;
    const { promptTokens } = event.usage;
    if (promptTokens > 0) return { object: 'response.input_tokens', input_tokens: promptTokens };
    throw new MeshError('upstream_failed', 'The peer that was asked did not count its prompt. Ask again.');
  }
  throw endedTooSoon();
}

/** A small request may ask for much that is kept. */
async function turnFor({ store }: ResponseRooms, request: FastifyRequest): Promise<void> {
  const client = clientOf(request);
  if (bytesToRead(store.keptBy(client), request.body) > LARGE_REQUEST_BYTES)
    await request.server.largeTurns.take(client);
}

/** Its prompt stays in memory until its reply has left. */
function holdKept(request: FastifyRequest, reply: FastifyReply, bytes: number): void {
  reply.raw.once('close', request.server.openRequests.take(clientOf(request), bytes, 0));
}

function read({ store }: ResponseRooms, request: FastifyRequest): ResponseQuestion {
  return readResponseRequest(request.body, conversationsOf(store.keptBy(clientOf(request))));
}

function isForBackground(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'background' in body && body.background === true;
}

function headOf(
  rooms: ResponseRooms,
  question: ResponseQuestion,
  jobId: JobId,
  model: ModelId | undefined,
): ResponseHead {
  return {
    id: `resp_${jobId}`,
    jobId,
    model: model ?? '',
    created: secondsOf(rooms),
    settings: question.settings(model),
    nameOf: question.nameOf,
    summarizes: question.summarizes,
  };
}

function secondsOf({ clock }: ResponseRooms): number {
  return Math.floor(clock.wallMs() / 1000);
}
