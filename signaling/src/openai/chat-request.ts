/**
 * OpenAI's chat-completion body, read into what the mesh is asked. Fields that nobody knows are ignored, since clients
 * send many; fields that would change the answer and are not built are refused by name.
 */
import type { CompletionRequest, ResponseFormat } from '@tabmesh/shared';
import { z } from 'zod';
import { fieldError, type RefusedField, readBody } from '../http/request-body.ts';
import {
  MAX_CHAT_CHOICES,
  MAX_CHOICE_NAME_CHARS,
  MAX_MESSAGES,
  MAX_PAST_CALLS_PER_MESSAGE,
  MAX_TOP_LOGPROBS,
} from '../limits/limits.ts';
import {
  MaxTokens,
  SamplingFields,
  StopTexts,
  StreamFields,
  toSampling,
  toStopTexts,
  toStreaming,
} from './request-fields.ts';
import { ThinkingFields, toThinking } from './thinking-fields.ts';
import { flatSchema } from './tools/flat-schema.ts';
import { FunctionName, FunctionTool, type ToolChoice, toolOffer } from './tools/function-tools.ts';
import type { Turn } from './tools/hermes.ts';
import { planTools, type ToolPlan } from './tools/tool-plan.ts';

export interface ChatQuestion {
  readonly completion: CompletionRequest;
  /** Answers that are wanted, at least 1. */
  readonly choices: number;
  /** Takes the calls out of an answer; undefined: all of it is text. */
  readonly toolReader: ToolPlan['toolReader'];
  /** Which field asks for JSON. */
  readonly formatField: 'response_format' | 'tool_choice';
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

const TextPart = z.object({ type: z.literal('text'), text: z.string() });

const PastCall = z.object({
  id: z.string(),
  type: z.literal('function').nullish(),
  function: z.object({ name: FunctionName, arguments: z.string() }),
});

const Format = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text') }),
  z.object({ type: z.literal('json_object') }),
  z.object({
    type: z.literal('json_schema'),
    json_schema: z.object({ schema: z.record(z.string(), z.unknown()).nullish() }),
  }),
]);

const Body = SamplingFields.extend({
  messages: z
    .array(
      z.object({
        role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
        content: z.union([z.string(), z.array(TextPart)], 'expected a text or a list of text parts').nullish(),
        tool_calls: z.array(PastCall).max(MAX_PAST_CALLS_PER_MESSAGE).nullish(),
        tool_call_id: z.string().nullish(),
      }),
    )
    .min(1)
    .max(MAX_MESSAGES),
  ...StreamFields.shape,
  max_tokens: MaxTokens,
  max_completion_tokens: MaxTokens,
  stop: StopTexts,
  n: z.int().min(1).max(MAX_CHAT_CHOICES).nullish(),
  response_format: Format.nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(MAX_TOP_LOGPROBS).nullish(),
  tools: z.array(z.object({ type: z.literal('function'), function: FunctionTool })).nullish(),
  tool_choice: z
    .union(
      [
        z.enum(['none', 'auto', 'required']),
        z.object({ type: z.literal('function'), function: z.object({ name: z.string().max(MAX_CHOICE_NAME_CHARS) }) }),
      ],
      "expected 'none', 'auto', 'required' or {type: 'function', function: {name}}",
    )
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  ...ThinkingFields.shape,
});
type Body = z.infer<typeof Body>;

const LEAVE_OUT = 'Leave it out.';
const REFUSED: Readonly<Record<string, RefusedField>> = {
  // Succeeded by `tools` in 2023.
  functions: { asksForNothing: isEmpty, instead: LEAVE_OUT },
  function_call: { asksForNothing: (value) => value === 'none' || value === 'auto', instead: LEAVE_OUT },
  modalities: {
    asksForNothing: (value) => Array.isArray(value) && value.every((modality) => modality === 'text'),
    instead: LEAVE_OUT,
  },
  audio: { asksForNothing: () => false, instead: LEAVE_OUT },
};

/** @throws MeshError `invalid_request` that names the field, `model_not_found` for a name that no model can have. */
export function readChatRequest(payload: unknown): ChatQuestion {
  const body = readBody(payload, Body, REFUSED);
  const stop = toStopTexts(body.stop);
  const responseFormat = formatOf(body);
  const plan = planTools(body.messages.map(toTurn), offerOf(body), { responseFormat, stop });
  return {
    completion: {
      ...toSampling(body),
      messages: plan.messages,
      maxTokens: body.max_completion_tokens ?? body.max_tokens ?? undefined,
      stop: plan.stop.length === 0 ? undefined : plan.stop,
      responseFormat: plan.responseFormat,
      topLogprobs: topLogprobsOf(body),
      thinking: toThinking(body),
    },
    choices: body.n ?? 1,
    toolReader: plan.toolReader,
    formatField: responseFormat === undefined ? 'tool_choice' : 'response_format',
    ...toStreaming(body),
  };
}

function toTurn({ role, content, tool_calls, tool_call_id }: Body['messages'][number]): Turn {
  const text = typeof content === 'string' ? content : (content ?? []).map((part) => part.text).join('');
  switch (role) {
    case 'assistant':
      return {
        role,
        content: text,
        calls: (tool_calls ?? []).map(({ id, function: { name, arguments: given } }) => ({
          id,
          name,
          arguments: given,
        })),
      };
    case 'tool':
      return { role, callId: tool_call_id ?? undefined, content: text };
    case 'developer':
      return { role: 'system', content: text };
    default:
      return { role, content: text };
  }
}

function offerOf({ tools, tool_choice, parallel_tool_calls }: Body) {
  if ((tools ?? []).length === 0 && (tool_choice ?? 'none') === 'none') return undefined;
  const choice: ToolChoice | undefined =
    typeof tool_choice === 'object' && tool_choice !== null ? tool_choice.function : (tool_choice ?? undefined);
  return toolOffer({
    tools: (tools ?? []).map((tool) => tool.function),
    choice,
    parallel: parallel_tool_calls ?? true,
    fieldOf: (index) => `tools[${index}].function`,
  });
}

function formatOf({ response_format: format }: Body): ResponseFormat | undefined {
  if (format === null || format === undefined || format.type === 'text') return undefined;
  if (format.type === 'json_object') return format;
  const { schema } = format.json_schema;
  if (schema === null || schema === undefined) return { type: 'json_object' };
  return { type: 'json_schema', schema: flatSchema(schema, 'response_format.json_schema.schema') };
}

function topLogprobsOf({ logprobs, top_logprobs }: Body): number | undefined {
  if (logprobs) return top_logprobs ?? 0;
  if (!top_logprobs) return undefined;
  throw fieldError('top_logprobs', 'needs logprobs. Send logprobs: true with it, or leave it out.');
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
