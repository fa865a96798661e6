/**
 * `POST /v1/chat/completions` and the web app's `POST /api/chat`: one handler, streaming and not. Both stand behind the
 * gate, but only the web app's own path, which shows who answers, may lead to a fallback provider.
 */
import type { CompletionRequest, Logger, Mesh } from '@tabmesh/shared';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { askingOf } from '../answers/asking.ts';
import { type OpenedAnswer, openAnswer } from '../answers/opened-answer.ts';
import { openAll, parallelAnswers } from '../answers/parallel-answers.ts';
import type { Fallback } from '../fallback/fallback.ts';
import { modelAskedFor, passGate, slaHeaders, slaVerdict } from '../gate/gate.ts';
import type { EventStream } from '../http/event-stream.ts';
import { abortOnDisconnect, abortOnFailure } from '../http/request-abort.ts';
import { streamReply } from '../http/stream-reply.ts';
import { countedAnswer } from '../ledger/counted-answer.ts';
import { type ChatChoices, collectChoices, streamChoices } from './chat-answer.ts';
import { type ChatQuestion, readChatRequest } from './chat-request.ts';
import { type AnsweringParts, inFieldNames } from './mesh-answers.ts';
import { requestForEach } from './request-fields.ts';
import { checked } from './tools/schema-check.ts';

export interface ChatParts extends AnsweringParts {
  /** Absent: no prompt ever leaves the mesh. */
  readonly fallback?: Fallback | undefined;
  readonly logger: Logger;
}

export function registerChatCompletions(app: FastifyInstance, parts: ChatParts): void {
  const meshOnly = { ...parts, fallback: undefined };
  app.post('/v1/chat/completions', (request, reply) => answerChat(meshOnly, request, reply));
  app.post('/api/chat', (request, reply) => answerChat(parts, request, reply));
}

async function answerChat(parts: ChatParts, request: FastifyRequest, reply: FastifyReply) {
  const { clock, logger } = parts;
  const abort = abortOnDisconnect(reply);
  const { question, choices } = await openChoices(parts, request, reply, abort);
  const { jobId, peerId, model } = choices[0].answer;
  reply.headers({
    'x-tabmesh-served-by': peerId === null ? 'fallback' : 'mesh',
    ...(peerId === null ? {} : { 'x-tabmesh-peer': peerId }),
    'x-tabmesh-job': jobId,
  });
  const head = { id: `chatcmpl-${jobId}`, created: Math.floor(clock.wallMs() / 1000), model };
  if (!question.stream) return abortOnFailure(abort, collectChoices(choices, head));
  const write = (stream: EventStream) => streamChoices(choices, head, question.includeUsage, stream);
  return streamReply({ reply, clock, logger, abort, job: jobId, write });
}

/** The gate's headers are set as soon as they are known, so that a refusal carries them too. */
async function openChoices(
  { mesh: ready, fallback, ledger, clock }: ChatParts,
  request: FastifyRequest,
  reply: FastifyReply,
  abort: AbortController,
): Promise<{ question: ChatQuestion; choices: ChatChoices }> {
  const { signal } = abort;
  const mesh = await ready;
  const model = modelAskedFor(mesh, request.body);
  const verdict = model === undefined ? undefined : slaVerdict(mesh, model);
  if (verdict !== undefined) reply.headers({ ...slaHeaders(verdict), 'x-tabmesh-fallback-status': 'not-needed' });
  const question = readChatRequest(request.body);
  const asking = askingOf(request);

  const openFirst = async (completion: CompletionRequest): Promise<OpenedAnswer> => {
    if (model !== undefined && verdict !== undefined) {
      const provider = mayLeave(request) && isPlain(question) ? fallback : undefined;
      const outcome = await passGate(
        { model, verdict, request: completion, address: request.ip, fallback: provider },
        signal,
      );
      reply.header('x-tabmesh-fallback-status', outcome.status);
      if (outcome.status === 'used') return outcome.answer;
    }
    const answer = await askMesh(mesh, question, completion, signal);
    if (verdict === undefined) {
      // Nothing was served at first, and the mesh waited for a peer.
      reply.headers({ ...slaHeaders(slaVerdict(mesh, answer.model)), 'x-tabmesh-fallback-status': 'not-needed' });
    }
    return answer;
  };
  const [first, ...others] = requestForEach({ ...question.completion, ...asking }, question.choices);
  const asRoomComes = parallelAnswers(question.choices, clock, signal, asking.deadlineMs);
  const openings = others.map((completion) =>
    countedAnswer(
      ledger,
      asRoomComes(() => askMesh(mesh, question, completion, signal)),
    ),
  );
  const opening = countedAnswer(
    ledger,
    asRoomComes(() => openFirst(first)),
  );
  const [opened, ...rest] = await openAll([opening, ...openings], abort);
  const { toolReader: tools, style, check } = question;
  return {
    question,
    choices: [
      { index: 0, answer: checked(opened, check), tools: tools?.(), style },
      ...rest.map((answer, index) => ({ index: index + 1, answer: checked(answer, check), tools: tools?.(), style })),
    ],
  };
}

/** Outside answers are the operator's money, for own pages, holders of a key, and the operator. */
function mayLeave({ isFromPage = false, isFromOperator = false, keyName }: FastifyRequest): boolean {
  return isFromPage || isFromOperator || keyName !== undefined;
}

/** An outside provider is handed messages and sampling fields; what asks for more stays in the mesh. */
function isPlain({ choices, completion, toolReader }: ChatQuestion): boolean {
  const { responseFormat, topLogprobs, logitBias, presencePenalty, frequencyPenalty } = completion;
  const extras = [toolReader, responseFormat, topLogprobs, logitBias, presencePenalty, frequencyPenalty];
  return choices === 1 && extras.every((extra) => extra === undefined);
}

async function askMesh(
  mesh: Mesh,
  { formatField }: ChatQuestion,
  completion: CompletionRequest,
  signal: AbortSignal,
): Promise<OpenedAnswer> {
  try {
    return await openAnswer(mesh.complete(completion, signal));
  } catch (error) {
    throw inFieldNames(error, { response_format: formatField });
  }
}
