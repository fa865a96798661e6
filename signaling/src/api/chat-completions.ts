/**
 * `POST /v1/chat/completions` and the web app's `POST /api/chat`: one handler, streaming and not. Both stand behind the
 * gate, but only the web app's own path, which shows who answers, may lead to a fallback provider.
 */
import type { ServerResponse } from 'node:http';
import { type FinishReason, type Logger, MeshError, type Usage } from '@tabmesh/shared';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ServerParts } from '../build-server.ts';
import { modelAskedFor, passGate, slaHeaders, slaVerdict } from '../gate/gate.ts';
import { countedAnswer } from '../ledger/counted-answer.ts';
import { type ChatCompletionCall, toCompletionRequest } from './completion-request.ts';
import { errorReply } from './error-reply.ts';
import { EventStream } from './event-stream.ts';
import { type OpenedAnswer, openAnswer } from './opened-answer.ts';

export function registerChatCompletions(app: FastifyInstance, parts: ServerParts): void {
  const meshOnly = { ...parts, fallback: undefined };
  app.post('/v1/chat/completions', (request, reply) => answerChat(meshOnly, request, reply));
  app.post('/api/chat', (request, reply) => answerChat(parts, request, reply));
}

async function answerChat(parts: ServerParts, request: FastifyRequest, reply: FastifyReply) {
  const { clock, logger } = parts;
  const abort = new AbortController();
  // Comes after a complete reply as well, when nothing listens to the signal any more.
  reply.raw.once('close', () => abort.abort());
  const { call, answer } = await countedAnswer(parts.ledger, openGatedAnswer(parts, request, reply, abort.signal));
  reply.headers({
    'x-tabmesh-served-by': answer.peerId === null ? 'fallback' : 'mesh',
    ...(answer.peerId === null ? {} : { 'x-tabmesh-peer': answer.peerId }),
    'x-tabmesh-job': answer.jobId,
  });
  const head = headOf(answer, Math.floor(clock.wallMs() / 1000));
  if (!call.stream) return collectAnswer(answer, head);
  // From here on the reply is written by hand: fastify's stream handling costs more than a token's own work.
  reply.hijack();
  await streamAnswer(answer, head, call, startStream(reply), logger);
  return reply;
}

/** The gate's headers are set as soon as they are known, so that a refusal carries them too. */
async function openGatedAnswer(
  { mesh: ready, fallback }: ServerParts,
  request: FastifyRequest,
  reply: FastifyReply,
  signal: AbortSignal,
): Promise<{ call: ChatCompletionCall; answer: OpenedAnswer }> {
  const mesh = await ready;
  const model = modelAskedFor(mesh, request.body);
  const verdict = model === undefined ? undefined : slaVerdict(mesh, model);
  if (verdict !== undefined) reply.headers({ ...slaHeaders(verdict), 'x-tabmesh-fallback-status': 'not-needed' });
  const call = toCompletionRequest(request.body);
  if (model !== undefined && verdict !== undefined) {
    const question = { model, verdict, request: call.completion, address: request.ip, fallback };
    const outcome = await passGate(question, signal);
    reply.header('x-tabmesh-fallback-status', outcome.status);
    if (outcome.status === 'used') return { call, answer: outcome.answer };
  }
  const answer = await openAnswer(mesh.complete(call.completion, signal));
  if (verdict === undefined) {
    // Nothing was served at first, and the mesh waited for a peer.
    reply.headers({ ...slaHeaders(slaVerdict(mesh, answer.model)), 'x-tabmesh-fallback-status': 'not-needed' });
  }
  return { call, answer };
}

/** What all chunks of one answer share. */
interface AnswerHead {
  readonly id: string;
  readonly created: number;
  readonly model: string;
}

function headOf({ jobId, model }: OpenedAnswer, created: number): AnswerHead {
  return { id: `chatcmpl-${jobId}`, created, model };
}

async function collectAnswer({ events }: OpenedAnswer, { id, created, model }: AnswerHead): Promise<object> {
  let content = '';
  for await (const event of events) {
    if (event.type === 'tokens') {
      content += event.text;
      continue;
    }
    return {
      id,
      object: 'chat.completion',
      created,
      model,
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content, refusal: null },
          logprobs: null,
          finish_reason: event.reason,
        },
      ],
      usage: usageOf(event.usage),
    };
  }
  throw new MeshError('upstream_failed', 'The answer stopped without an end. Send the message again.');
}

function startStream(reply: FastifyReply): ServerResponse {
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

async function streamAnswer(
  { events }: OpenedAnswer,
  head: AnswerHead,
  { includeUsage }: ChatCompletionCall,
  response: ServerResponse,
  logger: Logger,
): Promise<void> {
  const stream = new EventStream(response);
  const chunks = chunkWriter(head, includeUsage);
  try {
    stream.send(chunks.start());
    for await (const event of events) {
      if (event.type === 'end') {
        stream.send(chunks.finish(event.reason));
        if (includeUsage) stream.send(chunks.usage(event.usage));
        stream.send('[DONE]');
        break;
      }
      if (event.text === '') continue;
      stream.send(chunks.content(event.text));
      const backlog = stream.backlog();
      if (backlog !== undefined) await backlog;
    }
  } catch (error) {
    if (response.destroyed) logger.debug({ id: head.id, reason: 'client_disconnected' }, 'An answer was cancelled.');
    else {
      const { body } = errorReply(error);
      logger.warn({ id: head.id, ...body.error }, 'An answer failed after it had begun.');
      stream.send(JSON.stringify(body));
    }
  } finally {
    stream.end();
  }
}

/** Only the text of a token is encoded per token; everything around it is made once per answer. */
function chunkWriter({ id, created, model }: AnswerHead, includeUsage: boolean) {
  const shared = `{"id":"${id}","object":"chat.completion.chunk","created":${created},"model":${JSON.stringify(model)},`;
  const tail = includeUsage ? ',"usage":null}' : '}';
  const choice = (delta: string, finishReason: string) =>
    `${shared}"choices":[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${finishReason}}]${tail}`;
  const [beforeText, afterText] = choice('{"content":\u0000}', 'null').split('\u0000') as [string, string];
  return {
    start: () => choice('{"role":"assistant","content":"","refusal":null}', 'null'),
    content: (text: string) => beforeText + JSON.stringify(text) + afterText,
    finish: (reason: FinishReason) => choice('{}', `"${reason}"`),
    usage: (usage: Usage) => `${shared}"choices":[],"usage":${JSON.stringify(usageOf(usage))}}`,
  };
}

function usageOf({ promptTokens, completionTokens, cachedTokens }: Usage) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}
