/** `POST /v1/completions`: texts for prompts, streamed or in one piece, in the shape of OpenAI's older endpoint. */
import { type FinishReason, type Logger, MeshError, type TokenLogprob, type Usage } from '@tabmesh/shared';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { OpenedAnswer } from '../answers/opened-answer.ts';
import type { ServerParts } from '../build-server.ts';
import { errorReply } from '../http/error-reply.ts';
import type { EventStream } from '../http/event-stream.ts';
import { usageOf, usageOfAll } from './chat-chunks.ts';
import { startStream } from './chat-completions.ts';
import { type MeshAnswers, openAnswers } from './mesh-answers.ts';
import { readTextCompletion, type TextCompletionQuestion } from './text-completion-request.ts';

export function registerCompletions(app: FastifyInstance, parts: ServerParts): void {
  app.post('/v1/completions', (request, reply) => answerCompletions(parts, request, reply));
}

async function answerCompletions(parts: ServerParts, request: FastifyRequest, reply: FastifyReply) {
  const asked = await openAnswers(parts, request, reply, readTextCompletion);
  const { jobId, model } = asked.answers[0];
  const head = {
    id: `cmpl-${jobId}`,
    object: 'text_completion',
    created: Math.floor(parts.clock.wallMs() / 1000),
    model,
  };
  if (!asked.question.stream) return collect(asked, head);
  // From here on the reply is written by hand: fastify's stream handling costs more than a token's own work.
  reply.hijack();
  await stream(asked, head, startStream(reply, parts.clock), parts.logger);
  return reply;
}

interface Choice {
  readonly text: string;
  readonly index: number;
  readonly logprobs: ReturnType<typeof logprobsOf>;
  readonly finish_reason: FinishReason | null;
}

async function collect(
  { question, answers, abort }: MeshAnswers<TextCompletionQuestion>,
  head: object,
): Promise<object> {
  try {
    const collected = await Promise.all(answers.map(collectOne));
    return {
      ...head,
      choices: collected.map(({ choice }) => choice),
      usage: usageOfPrompts(
        collected.map(({ usage }) => usage),
        question.choicesEach,
      ),
    };
  } catch (error) {
    abort.abort();
    throw error;
  }
}

async function collectOne(
  answer: OpenedAnswer,
  index: number,
): Promise<{ readonly choice: Choice; readonly usage: Usage }> {
  let text = '';
  const logprobs: TokenLogprob[] = [];
  for await (const event of answer.events) {
    if (event.type === 'tokens') {
      text += event.text;
      if (event.logprobs !== undefined) logprobs.push(...event.logprobs);
      continue;
    }
    const choice = { text, index, logprobs: logprobsOf(logprobs, 0), finish_reason: event.reason };
    return { choice, usage: event.usage };
  }
  throw new MeshError('upstream_failed', 'The answer stopped without an end. Send the request again.');
}

async function stream(
  { question, answers, abort }: MeshAnswers<TextCompletionQuestion>,
  head: object,
  events: EventStream,
  logger: Logger,
): Promise<void> {
  const { includeUsage } = question;
  const send = (choices: readonly Choice[], usage: object | null = null) =>
    events.send(JSON.stringify({ ...head, choices, ...(includeUsage ? { usage } : {}) }));
  const streamOne = async (answer: OpenedAnswer, index: number): Promise<Usage> => {
    let offset = 0;
    for await (const event of answer.events) {
      if (event.type === 'end') {
        send([{ text: '', index, logprobs: null, finish_reason: event.reason }]);
        return event.usage;
      }
      const { text, logprobs = [] } = event;
      if (text === '' && logprobs.length === 0) continue;
      send([{ text, index, logprobs: logprobsOf(logprobs, offset), finish_reason: null }]);
      offset += text.length;
      const backlog = events.backlog();
      if (backlog !== undefined) await backlog;
    }
    throw new MeshError('upstream_failed', 'The answer stopped without an end. Send the request again.');
  };
  try {
    const usages = await Promise.all(answers.map(streamOne));
    if (includeUsage) send([], usageOfPrompts(usages, question.choicesEach));
    events.send('[DONE]');
  } catch (error) {
    if (events.isCutOff) logger.debug({ ...head, reason: 'client_disconnected' }, 'Completions were cancelled.');
    else {
      const { body } = errorReply(error);
      logger.warn({ ...head, ...body.error }, 'A completion failed after it had begun.');
      events.send(JSON.stringify(body));
    }
  } finally {
    events.end();
    abort.abort();
  }
}

/** Where each token begins is counted from the beginning of the answer, which echoes no prompt. */
function logprobsOf(tokens: readonly TokenLogprob[], offset: number) {
  if (tokens.length === 0) return null;
  let next = offset;
  return {
    tokens: tokens.map(({ token }) => token),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(({ top }) => Object.fromEntries(top.map(({ token, logprob }) => [token, logprob]))),
    text_offset: tokens.map(({ token }) => {
      const at = next;
      next += token.length;
      return at;
    }),
  };
}

/** Of each prompt as of a chat: several choices count it once. */
function usageOfPrompts(usages: readonly Usage[], choicesEach: number) {
  const total = { promptTokens: 0, completionTokens: 0, cachedTokens: 0 };
  for (let start = 0; start < usages.length; start += choicesEach) {
    const [first, ...others] = usages.slice(start, start + choicesEach);
    if (first === undefined) break;
    const usage = usageOfAll([first, ...others]);
    total.promptTokens += usage.promptTokens;
    total.completionTokens += usage.completionTokens;
    total.cachedTokens += usage.cachedTokens;
  }
  return usageOf(total);
}
