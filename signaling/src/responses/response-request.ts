/** OpenAI's body of `/v1/responses`, read into what the mesh is asked and into the settings that a response repeats. */
import {
  type CompletionRequest,
  catalogModel,
  DEFAULT_TEMPERATURE,
  type ModelId,
  type ResponseFormat,
} from '@tabmesh/shared';
import { z } from 'zod';
import { fieldError, type RefusedField, readBody, unsupportedField } from '../http/request-body.ts';
import {
  MAX_FORMAT_NAME_CHARS,
  MAX_ID_CHARS,
  MAX_INCLUDE_CHARS,
  MAX_METADATA_KEY_CHARS,
  MAX_METADATA_VALUE_CHARS,
  MAX_TOOL_CALLS,
  MAX_TOP_LOGPROBS,
  MAX_USER_CHARS,
  MAX_WORD_CHARS,
} from '../limits/limits.ts';
import { MaxTokens, SamplingFields, toSampling } from '../openai/request-fields.ts';
import { ThinkingFields, toThinking } from '../openai/thinking-fields.ts';
import { enforcedSchema } from '../openai/tools/enforced-schema.ts';
import type { AnswerCheck } from '../openai/tools/schema-check.ts';
import type { ToolCallReader } from '../openai/tools/tool-call-reader.ts';
import { planTools } from '../openai/tools/tool-plan.ts';
import type { Conversations } from './conversation.ts';
import { ResponseInput, type ResponseItem, toTurns } from './response-input.ts';
import { type OfferedTools, offerTools, ResponseToolChoice, ResponseTools } from './response-tools.ts';

export interface ResponseQuestion {
  readonly requests: readonly [CompletionRequest];
  readonly fieldNames: Readonly<Record<string, string>>;
  readonly stream: boolean;
  /** Takes the calls out of the answer; undefined when it is text only. */
  readonly toolReader: (() => ToolCallReader) | undefined;
  /** Holds a complete answer against its schemas. */
  readonly check: AnswerCheck | undefined;
  /** What the client calls the tools that the model called. */
  readonly nameOf: OfferedTools['nameOf'];
  /** Thoughts are told as their summary. */
  readonly summarizes: boolean;
  /** Further calls are no part of the response. */
  readonly maxToolCalls: number;
  /** In OpenAI's names, defaults filled in, as they are for this model. */
  settings(model: ModelId | undefined): Readonly<Record<string, unknown>>;
  /** The whole conversation, what was kept of it included. */
  readonly items: readonly ResponseItem[];
  /** … and how much that is. */
  readonly keptBytes: number;
  /** Whether the response may be asked for again. */
  readonly isStored: boolean;
  /** With a shorter conversation, where the client allows that. */
  shortened(items: readonly ResponseItem[]): ResponseQuestion;
  readonly mayBeShortened: boolean;
}

const jsonObject = z.record(z.string(), z.unknown());
const Format = z.discriminatedUnion(
  'type',
  [
    z.object({ type: z.literal('text') }),
    z.object({ type: z.literal('json_object') }),
    z.object({
      type: z.literal('json_schema'),
      name: z.string().min(1).max(MAX_FORMAT_NAME_CHARS),
      description: z.string().nullish(),
      schema: jsonObject,
      strict: z.boolean().nullish(),
    }),
  ],
  'expected text, json_object or json_schema',
);

const word = z.string().max(MAX_WORD_CHARS).nullish();
const userWord = z.string().max(MAX_USER_CHARS).nullish();

const Body = SamplingFields.extend({
  input: ResponseInput,
  instructions: z.string().nullish(),
  max_output_tokens: MaxTokens,
  max_tool_calls: z.int().min(1).max(MAX_TOOL_CALLS).nullish(),
  top_logprobs: z.int().min(0).max(MAX_TOP_LOGPROBS).nullish(),
  include: z.array(z.string().max(MAX_INCLUDE_CHARS)).nullish(),
  text: z.object({ format: Format.nullish(), verbosity: z.enum(['low', 'medium', 'high']).nullish() }).nullish(),
  tools: ResponseTools.nullish(),
  tool_choice: ResponseToolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  reasoning: z
    .object({ effort: ThinkingFields.shape.reasoning_effort, summary: word, generate_summary: word })
    .nullish(),
  chat_template_kwargs: ThinkingFields.shape.chat_template_kwargs,
  truncation: z.enum(['auto', 'disabled']).nullish(),
  stream: z.boolean().nullish(),
  store: z.boolean().nullish(),
  background: z.boolean().nullish(),
  previous_response_id: z.string().max(MAX_ID_CHARS).nullish(),
  metadata: z.record(z.string().max(MAX_METADATA_KEY_CHARS), z.string().max(MAX_METADATA_VALUE_CHARS)).nullish(),
  service_tier: word,
  safety_identifier: userWord,
  user: userWord,
});
type Body = z.infer<typeof Body>;

const REFUSED: Readonly<Record<string, RefusedField>> = {
  conversation: {
    asksForNothing: never,
    instead:
      'Leave it out, and name the response before as previous_response_id, or send the whole conversation as input.',
  },
  prompt: {
    asksForNothing: never,
    instead: 'Leave it out, and send the text of the prompt as instructions and input.',
  },
  context_management: {
    asksForNothing: (value) => Array.isArray(value) && value.length === 0,
    instead: "Leave it out, and shorten the input yourself, or send 'truncation': 'auto'.",
  },
};

const LOGPROBS = 'message.output_text.logprobs';
/** Of what can be included only the probabilities are more than nothing here. */
const KNOWN_INCLUDES: ReadonlySet<string> = new Set([
  LOGPROBS,
  'reasoning.encrypted_content',
  'file_search_call.results',
  'web_search_call.results',
  'web_search_call.action.sources',
  'code_interpreter_call.outputs',
  'computer_call_output.output.image_url',
  'message.input_image.image_url',
]);

/**
 * @param conversations of the client
 * @throws MeshError `invalid_request` that names the field, `model_not_found`
 * @throws RequestRefusal `response_not_found` for a response or an item that is not kept, or no longer
 */
export function readResponseRequest(payload: unknown, conversations: Conversations): ResponseQuestion {
  const body = readBody(payload, Body, REFUSED);
  const other = body.include?.find((name) => !KNOWN_INCLUDES.has(name));
  if (other !== undefined) throw unsupportedField('include', `Leave '${other}' out of it.`);
  if (body.background === true && body.store === false) {
    throw fieldError('background', 'needs the response to be stored. Leave store out, or keep the request open.');
  }
  const { items, keptBytes } = conversations.whole(body.input, body.previous_response_id ?? undefined);
  return toQuestion(body, items, keptBytes);
}

function toQuestion(body: Body, items: readonly ResponseItem[], keptBytes: number): ResponseQuestion {
  const format = body.text?.format ?? { type: 'text' };
  const responseFormat = toResponseFormat(format);
  const maxToolCalls = body.max_tool_calls ?? MAX_TOOL_CALLS;
  const parallel = (body.parallel_tool_calls ?? true) && maxToolCalls > 1;
  const { offer, nameOf, repeated } = offerTools(body.tools ?? [], body.tool_choice ?? undefined, parallel);
  const plan = planTools(toTurns(items, instructionsOf(body)), offer, {
    responseFormat,
    formatField: 'text.format.schema',
  });
  const request: CompletionRequest = {
    ...toSampling(body),
    messages: plan.messages,
    maxTokens: body.max_output_tokens ?? undefined,
    stop: plan.stop.length === 0 ? undefined : plan.stop,
    responseFormat: plan.responseFormat,
    topLogprobs: body.include?.includes(LOGPROBS) ? (body.top_logprobs ?? 0) : undefined,
    thinking: toThinking({ ...body, reasoning_effort: body.reasoning?.effort }),
  };
  return {
    requests: [request],
    fieldNames: { response_format: responseFormat === undefined ? 'tool_choice' : 'text.format', logprobs: 'include' },
    stream: body.stream ?? false,
    toolReader: plan.toolReader,
    check: plan.check,
    nameOf,
    maxToolCalls,
    summarizes: isAsked(body.reasoning?.summary ?? body.reasoning?.generate_summary),
    settings: (model) => settingsOf(body, repeated, model),
    items,
    keptBytes,
    isStored: body.store ?? true,
    shortened: (shorter) => toQuestion(body, shorter, keptBytes),
    mayBeShortened: body.truncation === 'auto',
  };
}

/** No engine has a switch for the length of answers, but every model reads. */
const VERBOSITY = { low: 'Keep your answer short.', medium: '', high: 'Answer in detail.' } as const;

function instructionsOf({ instructions, text }: Body): string {
  const parts = [instructions ?? '', VERBOSITY[text?.verbosity ?? 'medium']];
  return parts.filter((part) => part !== '').join('\n\n');
}

/** Of `auto`, `concise`, `detailed`. */
function isAsked(summary: string | null | undefined): boolean {
  return summary !== null && summary !== undefined && summary !== 'none';
}

function toResponseFormat(format: z.infer<typeof Format>): ResponseFormat | undefined {
  if (format.type === 'text') return undefined;
  if (format.type === 'json_object') return { type: 'json_object' };
  return { type: 'json_schema', schema: enforcedSchema(format.schema, 'text.format.schema') };
}

/** Every field of the published schemas, with the value that was really used. */
function settingsOf(
  body: Body,
  tools: readonly object[],
  model: ModelId | undefined,
): Readonly<Record<string, unknown>> {
  const { effort, summary, generate_summary } = body.reasoning ?? {};
  const usual = (model === undefined ? undefined : catalogModel(model)?.temperature) ?? DEFAULT_TEMPERATURE;
  return {
    background: body.background ?? false,
    frequency_penalty: body.frequency_penalty ?? 0,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    max_tool_calls: body.max_tool_calls ?? null,
    metadata: body.metadata ?? {},
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    presence_penalty: body.presence_penalty ?? 0,
    previous_response_id: body.previous_response_id ?? null,
    prompt_cache_key: body.prompt_cache_key ?? null,
    reasoning: { effort: effort ?? null, summary: summary ?? generate_summary ?? null },
    safety_identifier: body.safety_identifier ?? null,
    service_tier: 'default',
    store: body.store ?? true,
    temperature: body.temperature ?? usual,
    text: { format: wholeFormat(body.text?.format), verbosity: body.text?.verbosity ?? 'medium' },
    tool_choice: body.tool_choice ?? 'auto',
    tools,
    top_logprobs: body.top_logprobs ?? 0,
    top_p: body.top_p ?? 1,
    truncation: body.truncation ?? 'disabled',
    user: body.user ?? null,
  };
}

function wholeFormat(format: z.infer<typeof Format> | null | undefined): object {
  if (format?.type !== 'json_schema') return format ?? { type: 'text' };
  return { ...format, description: format.description ?? null, strict: format.strict ?? false };
}

function never(): boolean {
  return false;
}
