/** `POST /v1/completions`: texts for prompts, streamed or in one piece, in the shape of OpenAI's older endpoint. */
import type { FinishReason, Logger, TokenLogprob, Usage } from '@tabmesh/shared';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { endedTooSoon, type OpenedAnswer } from '../answers/opened-answer.ts';
import type { EventStream } from '../http/event-stream.ts';
import { abortOnFailure } from '../http/request-abort.ts';
import { streamReply } from '../http/stream-reply.ts';
import { usageOf, usageOfAll } from './chat-chunks.ts';
import { type AnsweringParts, type MeshAnswers, openAnswers } from './mesh-answers.ts';
import { readTextCompletion, type TextCompletionQuestion } from './text-completion-request.ts';

export interface TextCompletionsParts extends AnsweringParts {
  readonly logger: Logger;
}

export function registerTextCompletions(app: FastifyInstance, parts: TextCompletionsParts): void {
  app.post('/v1/completions', (request, reply) => answerCompletions(parts, request, reply));
}

async function answerCompletions(parts: TextCompletionsParts, request: FastifyRequest, reply: FastifyReply) {
  const asked = await openAnswers(parts, request, reply, readTextCompletion);
  const { jobId, model } = asked.answers[0];
  const head = {
    id: `cmpl-${jobId}`,
    object: 'text_completion',
    created: Math.floor(parts.clock.wallMs() / 1000),
    model,
  };
  if (!asked.question.stream) return abortOnFailure(asked.abort, collect(asked, head));
  const { abort } = asked;
  const { clock, logger } = parts;
  return streamReply({ reply, clock, logger, abort, job: jobId, write: (stream) => writeTexts(asked, head, stream) });
}

interface TextChoice {
  readonly text: string;
  readonly index: number;
  readonly logprobs: ReturnType<typeof textLogprobsOf>;
  readonly finish_reason: FinishReason | null;
}

async function collect({ question, answers }: MeshAnswers<TextCompletionQuestion>, head: object): Promise<object> {
  const collected = await Promise.all(answers.map(collectOne));
  return {
    ...head,
    choices: collected.map(({ choice }) => choice),
    usage: usageOfPrompts(
      collected.map(({ usage }) => usage),
      question.choicesEach,
    ),
  };
}

async function collectOne(
  answer: OpenedAnswer,
  index: number,
): Promise<{ readonly choice: TextChoice; readonly usage: Usage }> {
  let text = '';
  const logprobs: TokenLogprob[] = [];
  for await (const event of answer.events) {
    if (event.type === 'tokens') {
      text += event.written ?? event.text;
      if (event.logprobs !== undefined) logprobs.push(...event.logprobs);
      continue;
    }
    const choice = { text, index, logprobs: textLogprobsOf(logprobs, 0), finish_reason: event.reason };
    return { choice, usage: event.usage };
  }
  throw endedTooSoon();
}

async function writeTexts(
  { question, answers }: MeshAnswers<TextCompletionQuestion>,
  head: object,
  stream: EventStream,
): Promise<void> {
  const { includeUsage } = question;
  const send = (choices: readonly TextChoice[], usage: object | null = null) =>
    stream.send(JSON.stringify({ ...head, choices, ...(includeUsage ? { usage } : {}) }));
  const streamOne = async (answer: OpenedAnswer, index: number): Promise<Usage> => {
    let offset = 0;
    for await (const event of answer.events) {
      if (event.type === 'end') {
        send([{ text: '', index, logprobs: null, finish_reason: event.reason }]);
        return event.usage;
      }
      // Texts have no place for thoughts but where the model wrote them.
      const { written: text = event.text, logprobs = [] } = event;
      if (text === '' && logprobs.length === 0) continue;
      send([{ text, index, logprobs: textLogprobsOf(logprobs, offset), finish_reason: null }]);
      offset += text.length;
      const backlog = stream.backlog();
      if (backlog !== undefined) await backlog;
    }
    throw endedTooSoon();
  };
  const usages = await Promise.all(answers.map(streamOne));
  if (includeUsage) send([], usageOfPrompts(usages, question.choicesEach));
  stream.send('[DONE]');
}

/** Where each token begins is counted from the beginning of the answer, which echoes no prompt. */
function textLogprobsOf(tokens: readonly TokenLogprob[], offset: number) {
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
