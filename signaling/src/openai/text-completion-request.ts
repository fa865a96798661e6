/**
 * OpenAI's text-completion body, read into what the mesh is asked. Engines know messages only, so each prompt is asked as
 * the one message of a user: the model answers it rather than writing on.
 */
import type { CompletionRequest } from '@tabmesh/shared';
import { z } from 'zod';
import { fieldError, type RefusedField, readBody } from '../http/request-body.ts';
import { DEFAULT_TEXT_TOKENS, MAX_TEXT_CHOICES, MAX_TEXT_LOGPROBS } from '../limits/limits.ts';
import {
  MaxTokens,
  requestForEach,
  SamplingFields,
  StopTexts,
  StreamFields,
  textOrTexts,
  toSampling,
  toStopTexts,
  toStreaming,
} from './request-fields.ts';

export interface TextCompletionQuestion {
  /** One for each choice: `n` of the first prompt, then `n` of the second. */
  readonly requests: readonly [CompletionRequest, ...CompletionRequest[]];
  readonly choicesEach: number;
  readonly fieldNames: Readonly<Record<string, string>>;
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

const Body = SamplingFields.extend({
  prompt: textOrTexts(MAX_TEXT_CHOICES),
  max_tokens: MaxTokens,
  n: z.int().min(1).max(MAX_TEXT_CHOICES).nullish(),
  logprobs: z.int().min(0).max(MAX_TEXT_LOGPROBS).nullish(),
  stop: StopTexts,
  ...StreamFields.shape,
});

const REFUSED: Readonly<Record<string, RefusedField>> = {
  echo: {
    asksForNothing: (value) => value === false,
    instead: 'Leave it out, and put your prompt in front of the text yourself.',
  },
  suffix: {
    asksForNothing: (value) => value === '',
    instead: 'Leave it out, and say in the prompt what should follow.',
  },
  best_of: {
    asksForNothing: (value) => value === 1,
    instead: "Leave it out, and choose among 'n' answers yourself.",
  },
};

/** @throws MeshError `invalid_request` that names the field, `model_not_found` */
export function readTextCompletion(payload: unknown): TextCompletionQuestion {
  const body = readBody(payload, Body, REFUSED);
  const prompts = typeof body.prompt === 'string' ? [body.prompt] : body.prompt;
  const choicesEach = body.n ?? 1;
  if (prompts.length * choicesEach > MAX_TEXT_CHOICES) {
    throw fieldError(
      'n',
      `times the prompts gives ${prompts.length * choicesEach} texts, and ${MAX_TEXT_CHOICES} is the most. Send several requests.`,
    );
  }
  const common = {
    ...toSampling(body),
    maxTokens: body.max_tokens ?? DEFAULT_TEXT_TOKENS,
    stop: toStopTexts(body.stop),
    topLogprobs: body.logprobs ?? undefined,
  };
  const requests = prompts.flatMap((content) =>
    requestForEach({ ...common, messages: [{ role: 'user', content }] }, choicesEach),
  );
  return {
    requests: requests as [CompletionRequest, ...CompletionRequest[]],
    choicesEach,
    fieldNames: { messages: 'prompt' },
    ...toStreaming(body),
  };
}
