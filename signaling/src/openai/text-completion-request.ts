/**
 * OpenAI's text-completion body, read into what the mesh is asked. Engines know messages only, so each prompt is asked as
 * the one message of a user: the model answers it rather than writing on.
 */
import { type CompletionRequest, MeshError } from '@tabmesh/shared';
import { z } from 'zod';
import { type RefusedField, readBody } from '../http/request-body.ts';
import { DEFAULT_TEXT_TOKENS, MAX_TEXT_CHOICES, MAX_TEXT_LOGPROBS, MAX_TOKENS } from '../limits/limits.ts';
import { SamplingFields, toSampling } from './sampling-fields.ts';

export interface TextCompletionQuestion {
  /** One for each choice: `n` of the first prompt, then `n` of the second. */
  readonly requests: readonly [CompletionRequest, ...CompletionRequest[]];
  readonly choicesEach: number;
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

const text = z.string().min(1);
const Body = SamplingFields.extend({
  prompt: z.union(
    [text, z.array(text).min(1).max(MAX_TEXT_CHOICES)],
    `expected a text or a list of 1 to ${MAX_TEXT_CHOICES} texts, none of them empty; token ids mean something else to every model`,
  ),
  max_tokens: z.int().min(1).max(MAX_TOKENS).nullish(),
  n: z.int().min(1).max(MAX_TEXT_CHOICES).nullish(),
  logprobs: z.int().min(0).max(MAX_TEXT_LOGPROBS).nullish(),
  stop: z
    .union(
      [z.string().min(1).max(1024), z.array(z.string().min(1).max(1024)).max(16)],
      'expected a text or a list of at most 16 texts, each of 1 to 1024 characters',
    )
    .nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
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
    throw new MeshError(
      'invalid_request',
      `The field 'n' times the prompts gives ${prompts.length * choicesEach} texts, and ${MAX_TEXT_CHOICES} is the most. Send several requests.`,
      { details: { param: 'n' } },
    );
  }
  const common = {
    ...toSampling(body),
    maxTokens: body.max_tokens ?? DEFAULT_TEXT_TOKENS,
    stop: typeof body.stop === 'string' ? [body.stop] : (body.stop ?? undefined),
    topLogprobs: body.logprobs ?? undefined,
  };
  const requests = prompts.flatMap((content) =>
    Array.from(
      { length: choicesEach },
      (_, choice): CompletionRequest => ({
        ...common,
        messages: [{ role: 'user', content }],
        // One seed for all would give `n` times the same text.
        seed: common.seed === undefined ? undefined : common.seed + choice,
      }),
    ),
  );
  return {
    requests: requests as [CompletionRequest, ...CompletionRequest[]],
    choicesEach,
    stream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
  };
}
