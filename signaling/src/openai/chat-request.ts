/**
 * OpenAI's chat-completion body, read into what the mesh is asked. Fields that nobody knows are ignored, since clients
 * send many; fields that would change the answer and are not built are refused by name.
 */
import type { CompletionRequest, ResponseFormat } from '@tabmesh/shared';
import { z } from 'zod';
import { fieldError, type RefusedField, readBody } from '../http/request-body.ts';
import { MAX_CHAT_CHOICES, MAX_TOP_LOGPROBS } from '../limits/limits.ts';
import type { CallStyle } from './call-style.ts';
import { ChatMessages, toTurn } from './chat-messages.ts';
import { readTools, ToolFields } from './chat-tools.ts';
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
import { enforcedSchema } from './tools/enforced-schema.ts';
import { type CallReader, FreeformCalls } from './tools/freeform-calls.ts';
import type { AnswerCheck } from './tools/schema-check.ts';
import { planTools, type ToolPlan } from './tools/tool-plan.ts';

export interface ChatQuestion {
  readonly completion: CompletionRequest;
  /** Answers that are wanted, at least 1. */
  readonly choices: number;
  /** Takes the calls out of an answer; undefined: all of it is text. */
  readonly toolReader: (() => CallReader) | undefined;
  /** Holds a complete answer against its schemas; undefined: there are none. */
  readonly check: AnswerCheck | undefined;
  /** How those calls are told. */
  readonly style: CallStyle;
  /** Which field asks for JSON. */
  readonly formatField: 'response_format' | 'tool_choice' | 'function_call';
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

/** Of one kind of answer the fields of another, which would be passed over. */
const Nothing = z.null('belongs to another type of answer. Choose that type, or leave it out').optional();
const jsonObject = z.record(z.string(), z.unknown());

const Format = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), schema: Nothing, json_schema: Nothing }),
  // llama.cpp's server and others take a schema here.
  z.object({ type: z.literal('json_object'), schema: jsonObject.nullish(), json_schema: Nothing }),
  z.object({
    type: z.literal('json_schema'),
    json_schema: z.looseObject({ schema: jsonObject.nullish() }),
    schema: Nothing,
  }),
]);

const Body = SamplingFields.extend({
  messages: ChatMessages,
  ...StreamFields.shape,
  max_tokens: MaxTokens,
  max_completion_tokens: MaxTokens,
  stop: StopTexts,
  n: z.int().min(1).max(MAX_CHAT_CHOICES).nullish(),
  response_format: Format.nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(MAX_TOP_LOGPROBS).nullish(),
  ...ToolFields.shape,
  ...ThinkingFields.shape,
});
type Body = z.infer<typeof Body>;

const LEAVE_OUT = 'Leave it out.';
const USE_FORMAT = "Leave it out, and send a JSON schema as 'response_format'.";
const formOfOthers: RefusedField = { asksForNothing: isEmpty, instead: USE_FORMAT };
const continuation = "Leave it out: an answer begins anew. Ask for its rest in a user's message.";
const REFUSED: Readonly<Record<string, RefusedField>> = {
  modalities: {
    asksForNothing: (value) => Array.isArray(value) && value.every((modality) => modality === 'text'),
    instead: LEAVE_OUT,
  },
  audio: { asksForNothing: () => false, instead: LEAVE_OUT },
  web_search_options: {
    asksForNothing: () => false,
    instead: 'Leave it out, and offer a function that searches, if you have one.',
  },
  // What other servers take, and what would make another answer of it without a word.
  grammar: formOfOthers,
  json_schema: formOfOthers,
  guided_json: formOfOthers,
  guided_regex: formOfOthers,
  guided_choice: formOfOthers,
  guided_grammar: formOfOthers,
  structured_outputs: formOfOthers,
  continue_final_message: { asksForNothing: (value) => value === false, instead: continuation },
  add_generation_prompt: { asksForNothing: (value) => value === true, instead: continuation },
  chat_template: { asksForNothing: isEmpty, instead: "Leave it out: each model's own is used." },
};

/** @throws MeshError `invalid_request` that names the field, `model_not_found` for a name that no model can have. */
export function readChatRequest(payload: unknown): ChatQuestion {
  const body = readBody(payload, Body, REFUSED);
  const stop = toStopTexts(body.stop);
  const responseFormat = formatOf(body);
  const { offer, style } = readTools(body);
  const plan = planTools(body.messages.map(toTurn), offer, { responseFormat, stop, formatField: formatFieldOf(body) });
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
    toolReader: readerOf(plan, style),
    check: plan.check,
    style,
    formatField: responseFormat === undefined ? choiceFieldOf(style) : 'response_format',
    ...toStreaming(body),
  };
}

function readerOf({ toolReader }: ToolPlan, style: CallStyle): (() => CallReader) | undefined {
  if (toolReader === undefined || style.kind === 'function' || style.custom.size === 0) return toolReader;
  return () => new FreeformCalls(toolReader(), style.custom);
}

function choiceFieldOf({ kind }: CallStyle) {
  return kind === 'function' ? 'function_call' : 'tool_choice';
}

function formatOf({ response_format: format }: Body): ResponseFormat | undefined {
  if (format === null || format === undefined || format.type === 'text') return undefined;
  const isObject = format.type === 'json_object';
  const field = formatFieldOf({ response_format: format });
  const schema = isObject ? format.schema : format.json_schema.schema;
  if (schema !== null && schema !== undefined) return { type: 'json_schema', schema: enforcedSchema(schema, field) };
  if (!isObject && SCHEMA_KEYWORDS.some((keyword) => keyword in format.json_schema)) {
    throw fieldError(field, "is missing: the schema stands beside it. Put it into the field 'schema'.");
  }
  return { type: 'json_object' };
}

function formatFieldOf({ response_format: format }: Pick<Body, 'response_format'>): string {
  return format?.type === 'json_object' ? 'response_format.schema' : 'response_format.json_schema.schema';
}

/** Of a schema that was put where its name belongs. */
const SCHEMA_KEYWORDS = ['type', 'properties', '$ref', 'anyOf', 'items'];

function topLogprobsOf({ logprobs, top_logprobs }: Body): number | undefined {
  if (logprobs) return top_logprobs ?? 0;
  if (!top_logprobs) return undefined;
  throw fieldError('top_logprobs', 'needs logprobs. Send logprobs: true with it, or leave it out.');
}

function isEmpty(value: unknown): boolean {
  if (value === '') return true;
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
