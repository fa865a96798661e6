/**
 * The answers of the mesh to one HTTP request, for the endpoints under `/v1` that may need several: all begin before the
 * reply does, so that a refusal of one is an HTTP error, and a client that leaves cancels them all.
 */
import { type Clock, type CompletionRequest, type Mesh, MeshError, type ModelId } from '@tabmesh/shared';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { askingOf } from '../answers/asking.ts';
import { type OpenedAnswer, openAnswer } from '../answers/opened-answer.ts';
import { openAll, parallelAnswers } from '../answers/parallel-answers.ts';
import { modelAskedFor, slaHeaders, slaVerdict } from '../gate/gate.ts';
import { abortOnDisconnect } from '../http/request-abort.ts';
import { countedAnswer } from '../ledger/counted-answer.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { type AnswerCheck, checked } from './tools/schema-check.ts';

/** What an endpoint needs for answers of the mesh. */
export interface AnsweringParts {
  readonly mesh: Mesh | Promise<Mesh>;
  /** Absent: nothing is counted. */
  readonly ledger?: Pick<Ledger, 'count'> | undefined;
  readonly clock: Clock;
}

export interface MeshQuestion {
  /** At least one, all of one model. */
  readonly requests: readonly [CompletionRequest, ...CompletionRequest[]];
  /** How this endpoint calls what the mesh refuses by the name that it has in chat completions. */
  readonly fieldNames?: Readonly<Record<string, string>>;
  /** Holds a complete answer against its schemas. */
  readonly check?: AnswerCheck | undefined;
}

export interface MeshAnswers<Question> {
  readonly question: Question;
  /** In the order of the requests. */
  readonly answers: readonly [OpenedAnswer, ...OpenedAnswer[]];
  /** Cancels what still runs. */
  readonly abort: AbortController;
}

/**
 * Reads the question from the body and sets the headers of the reply, those of the gate as soon as they are known, so
 * that a refusal carries them too.
 * @throws MeshError what `read` refuses, and what the mesh fails with before its first token
 */
export async function openAnswers<Question extends MeshQuestion>(
  { mesh: ready, ledger, clock }: AnsweringParts,
  request: FastifyRequest,
  reply: FastifyReply,
  read: (body: unknown) => Question,
): Promise<MeshAnswers<Question>> {
  const abort = abortOnDisconnect(reply);
  const mesh = await ready;
  const model = modelAskedFor(mesh, request.body);
  if (model !== undefined) reply.headers(gateHeaders(mesh, model));
  const question = read(request.body);
  const asking = askingOf(request);
  const asRoomComes = parallelAnswers(question.requests.length, clock, abort.signal, asking.deadlineMs);
  const open = (completion: CompletionRequest) =>
    countedAnswer(
      ledger,
      asRoomComes(() => openAnswer(mesh.complete({ ...completion, ...asking }, abort.signal))),
    );
  const [firstRequest, ...others] = question.requests;
  const opening = openAll([open(firstRequest), ...others.map(open)], abort);
  const [first, ...rest] = await opening.catch((error: unknown) => {
    throw inFieldNames(error, question.fieldNames);
  });
  if (model === undefined) reply.headers(gateHeaders(mesh, first.model));
  reply.headers({
    'x-tabmesh-served-by': 'mesh',
    'x-tabmesh-job': first.jobId,
    ...(first.peerId === null ? {} : { 'x-tabmesh-peer': first.peerId }),
  });
  const { check } = question;
  return { question, answers: [checked(first, check), ...rest.map((answer) => checked(answer, check))], abort };
}

/** Outside providers are for the web app's own path only. */
function gateHeaders(mesh: Mesh, model: ModelId) {
  const verdict = slaVerdict(mesh, model);
  return {
    ...slaHeaders(verdict),
    'x-tabmesh-fallback-status': verdict.passes ? 'not-needed' : 'fallback-disabled',
  };
}

/** What the mesh refuses is told by the name that the request has for it. */
export function inFieldNames(error: unknown, names: MeshQuestion['fieldNames'] = {}): unknown {
  if (!MeshError.is(error, 'invalid_request')) return error;
  const param = names[String(error.details.param)];
  return param === undefined ? error : new MeshError(error.code, error.message, { cause: error, details: { param } });
}
