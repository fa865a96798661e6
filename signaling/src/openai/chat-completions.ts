/**
 * `POST /v1/chat/completions` and the web app's `POST /api/chat`: one handler, streaming and not. Both stand behind the
 * gate, but only the web app's own path, which shows who answers, may lead to a fallback provider.
 */
import { type Asking, type Clock, type CompletionRequest, type Logger, type Mesh, MeshError } from '@tabmesh/shared';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { askingOf } from '../answers/asking.ts';
import { type OpenedAnswer, openAnswer } from '../answers/opened-answer.ts';
import { openAll, siblings } from '../answers/parallel-answers.ts';
import type { ServerParts } from '../build-server.ts';
import { modelAskedFor, passGate, slaHeaders, slaVerdict } from '../gate/gate.ts';
import { errorReply } from '../http/error-reply.ts';
import { EventStream } from '../http/event-stream.ts';
import { abortWithoutReader } from '../http/request-abort.ts';
import { countedAnswer } from '../ledger/counted-answer.ts';
import { type Choices, collectChoices, streamChoices } from './chat-answer.ts';
import type { AnswerHead } from './chat-chunks.ts';
import { type ChatCompletionCall, toCompletionRequest } from './chat-request.ts';

export function registerChatCompletions(app: FastifyInstance, parts: ServerParts): void {
  const meshOnly = { ...parts, fallback: undefined };
  app.post('/v1/chat/completions', (request, reply) => answerChat(meshOnly, request, reply));
  app.post('/api/chat', (request, reply) => answerChat(parts, request, reply));
}

async function answerChat(parts: ServerParts, request: FastifyRequest, reply: FastifyReply) {
  const { clock, logger } = parts;
  const abort = abortWithoutReader(reply);
  const { call, choices } = await openChoices(parts, request, reply, abort);
  const { jobId, peerId, model } = choices[0].answer;
  reply.headers({
    'x-tabmesh-served-by': peerId === null ? 'fallback' : 'mesh',
    ...(peerId === null ? {} : { 'x-tabmesh-peer': peerId }),
    'x-tabmesh-job': jobId,
  });
  const head = { id: `chatcmpl-${jobId}`, created: Math.floor(clock.wallMs() / 1000), model };
  if (!call.stream) return collectAnswer(choices, head, abort);
  // From here on the reply is written by hand: fastify's stream handling costs more than a token's own work.
  reply.hijack();
  await streamAnswer(choices, head, call, startStream(reply, clock), abort, logger);
  return reply;
}

/** The gate's headers are set as soon as they are known, so that a refusal carries them too. */
async function openChoices(
  { mesh: ready, fallback, ledger, clock }: ServerParts,
  request: FastifyRequest,
  reply: FastifyReply,
  abort: AbortController,
): Promise<{ call: ChatCompletionCall; choices: Choices }> {
  const { signal } = abort;
  const mesh = await ready;
  const model = modelAskedFor(mesh, request.body);
  const verdict = model === undefined ? undefined : slaVerdict(mesh, model);
  if (verdict !== undefined) reply.headers({ ...slaHeaders(verdict), 'x-tabmesh-fallback-status': 'not-needed' });
  const call = toCompletionRequest(request.body);
  const asking = askingOf(request);

  const openFirst = async (completion: CompletionRequest): Promise<OpenedAnswer> => {
    if (model !== undefined && verdict !== undefined) {
      const provider = isPlain(call) ? fallback : undefined;
      const question = { model, verdict, request: completion, address: request.ip, fallback: provider };
      const outcome = await passGate(question, signal);
      reply.header('x-tabmesh-fallback-status', outcome.status);
      if (outcome.status === 'used') return outcome.answer;
    }
    const answer = await askMesh(mesh, call, completion, signal);
    if (verdict === undefined) {
      // Nothing was served at first, and the mesh waited for a peer.
      reply.headers({ ...slaHeaders(slaVerdict(mesh, answer.model)), 'x-tabmesh-fallback-status': 'not-needed' });
    }
    return answer;
  };
  const [first, ...others] = completionsOf(call, asking);
  const besides = siblings(call.choices, clock, signal, asking.deadlineMs);
  const openings = others.map((completion) =>
    countedAnswer(
      ledger,
      besides(() => askMesh(mesh, call, completion, signal)),
    ),
  );
  const opening = countedAnswer(
    ledger,
    besides(() => openFirst(first)),
  );
  const [opened, ...rest] = await openAll([opening, ...openings], abort);
  const tools = call.toolReader;
  return {
    call,
    choices: [
      { index: 0, answer: opened, tools: tools?.() },
      ...rest.map((answer, index) => ({ index: index + 1, answer, tools: tools?.() })),
    ],
  };
}

/** One request for each choice; equal seeds would make equal choices. */
function completionsOf(call: ChatCompletionCall, asking: Asking): [CompletionRequest, ...CompletionRequest[]] {
  const { choices } = call;
  const completion = { ...call.completion, ...asking };
  const { seed } = completion;
  const others = Array.from({ length: choices - 1 }, (_, index) =>
    seed === undefined ? completion : { ...completion, seed: seed + index + 1 },
  );
  return [completion, ...others];
}

/** An outside provider is handed messages and sampling fields; what asks for more stays in the mesh. */
function isPlain({ choices, completion, toolReader }: ChatCompletionCall): boolean {
  const { responseFormat, topLogprobs, logitBias, presencePenalty, frequencyPenalty } = completion;
  const extras = [toolReader, responseFormat, topLogprobs, logitBias, presencePenalty, frequencyPenalty];
  return choices === 1 && extras.every((extra) => extra === undefined);
}

async function askMesh(
  mesh: Mesh,
  { formatField }: ChatCompletionCall,
  completion: CompletionRequest,
  signal: AbortSignal,
): Promise<OpenedAnswer> {
  try {
    return await openAnswer(mesh.complete(completion, signal));
  } catch (error) {
    if (!MeshError.is(error, 'invalid_request') || error.details.param !== 'response_format') throw error;
    throw new MeshError(error.code, error.message, { cause: error, details: { param: formatField } });
  }
}

/** The other choices go with the one that fails. */
async function collectAnswer(choices: Choices, head: AnswerHead, abort: AbortController): Promise<object> {
  try {
    return await collectChoices(choices, head);
  } catch (error) {
    abort.abort();
    throw error;
  }
}

export function startStream(reply: FastifyReply, clock: Clock): EventStream {
  const response = reply.raw;
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) response.setHeader(name, value);
  }
  response.setHeader('content-type', 'text/event-stream; charset=utf-8');
  response.setHeader('cache-control', 'no-cache');
  // Proxies such as nginx would otherwise gather the tokens.
  response.setHeader('x-accel-buffering', 'no');
  return new EventStream(response, clock);
}

async function streamAnswer(
  choices: Choices,
  head: AnswerHead,
  { includeUsage }: ChatCompletionCall,
  stream: EventStream,
  abort: AbortController,
  logger: Logger,
): Promise<void> {
  try {
    await streamChoices(choices, head, includeUsage, stream);
  } catch (error) {
    abort.abort();
    if (stream.isCutOff) logger.debug({ id: head.id, reason: 'client_disconnected' }, 'An answer was cancelled.');
    else {
      const { body } = errorReply(error);
      logger.warn({ id: head.id, ...body.error }, 'An answer failed after it had begun.');
      stream.send(JSON.stringify(body));
    }
  } finally {
    stream.end();
  }
}
