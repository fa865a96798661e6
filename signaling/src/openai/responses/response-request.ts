/** OpenAI's body of `/v1/responses`, read into what the mesh is asked and into the settings that a response repeats. */
import type { CompletionRequest, ResponseFormat } from '@tabmesh/shared';
import { z } from 'zod';
import { type RefusedField, readBody, unsupportedField } from '../../http/request-body.ts';
import {
  MAX_FORMAT_NAME_CHARS,
  MAX_INCLUDE_CHARS,
  MAX_METADATA_KEY_CHARS,
  MAX_METADATA_VALUE_CHARS,
  MAX_TOP_LOGPROBS,
  MAX_USER_CHARS,
} from '../../limits/limits.ts';
import { MaxTokens, SamplingFields, toSampling } from '../request-fields.ts';
import { flatSchema } from '../tools/flat-schema.ts';
import { FunctionTool, type ToolChoice, toolOffer } from '../tools/function-tools.ts';
import type { ToolCallReader } from '../tools/tool-call-reader.ts';
import { planTools } from '../tools/tool-plan.ts';
import { ResponseInput, toTurns } from './response-input.ts';

export interface ResponseQuestion {
  readonly requests: readonly [CompletionRequest];
  readonly fieldNames: Readonly<Record<string, string>>;
  readonly stream: boolean;
  /** Takes the calls out of the answer; undefined when it is text only. */
  readonly toolReader: (() => ToolCallReader) | undefined;
  /** In OpenAI's names, defaults filled in. */
  readonly settings: Readonly<Record<string, unknown>>;
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

const Tool = z.object({
  type: z.literal('function', 'expected function: the mesh has no tools of its own'),
  ...FunctionTool.shape,
  strict: z.boolean().nullish(),
});

const Body = SamplingFields.extend({
  input: ResponseInput,
  instructions: z.string().nullish(),
  max_output_tokens: MaxTokens,
  top_logprobs: z.int().min(0).max(MAX_TOP_LOGPROBS).nullish(),
  include: z.array(z.string().max(MAX_INCLUDE_CHARS)).nullish(),
  text: z.object({ format: Format.nullish() }).nullish(),
  tools: z.array(Tool).nullish(),
  tool_choice: z
    .union(
      [z.enum(['none', 'auto', 'required']), z.object({ type: z.literal('function'), name: z.string() })],
      'expected none, auto, required or a function of the tools by its name',
    )
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  metadata: z.record(z.string().max(MAX_METADATA_KEY_CHARS), z.string().max(MAX_METADATA_VALUE_CHARS)).nullish(),
  user: z.string().max(MAX_USER_CHARS).nullish(),
});

const SEND_ALL = 'Leave it out, and send the whole conversation as input each time: nothing is kept here.';
const REFUSED: Readonly<Record<string, RefusedField>> = {
  store: {
    asksForNothing: (value) => value === false,
    instead: "Send 'store': false, and the whole conversation as input each time: nothing is kept here.",
  },
  previous_response_id: { asksForNothing: never, instead: SEND_ALL },
  conversation: { asksForNothing: never, instead: SEND_ALL },
  prompt: {
    asksForNothing: never,
    instead: 'Leave it out, and send the text of the prompt as instructions and input.',
  },
  background: {
    asksForNothing: (value) => value === false,
    instead: 'Leave it out, and keep the request open until the answer is complete.',
  },
  truncation: {
    asksForNothing: (value) => value === 'disabled',
    instead: 'Leave it out, and shorten the input yourself.',
  },
  context_management: {
    asksForNothing: (value) => Array.isArray(value) && value.length === 0,
    instead: 'Leave it out, and shorten the input yourself.',
  },
};

const LOGPROBS = 'message.output_text.logprobs';
/** Of what can be included, what there is here; thoughts are given out as text, so there are none to include. */
const INCLUDED = [LOGPROBS, 'reasoning.encrypted_content'];

/** @throws MeshError `invalid_request` that names the field, `model_not_found` */
export function readResponseRequest(payload: unknown): ResponseQuestion {
  const body = readBody(payload, Body, REFUSED);
  const other = body.include?.find((name) => !INCLUDED.includes(name));
  if (other !== undefined) throw unsupportedField('include', `Leave '${other}' out of it.`);
  const { format, tools, choice, parallel } = toolsAndFormat(body);
  const offer = toolOffer({ tools, choice, parallel, fieldOf: (index) => `tools[${index}]` });
  const { messages, responseFormat, stop, toolReader } = planTools(
    toTurns(body.input, body.instructions ?? ''),
    offer,
    {
      responseFormat: format,
    },
  );
  const request: CompletionRequest = {
    ...toSampling(body),
    messages,
    maxTokens: body.max_output_tokens ?? undefined,
    stop: stop.length === 0 ? undefined : stop,
    responseFormat,
    topLogprobs: body.include?.includes(LOGPROBS) ? (body.top_logprobs ?? 0) : undefined,
  };
  return {
    requests: [request],
    fieldNames: { response_format: format === undefined ? 'tool_choice' : 'text.format', logprobs: 'include' },
    stream: body.stream ?? false,
    toolReader,
    settings: settingsOf(body),
  };
}

function toolsAndFormat({ text, tools, tool_choice, parallel_tool_calls }: z.infer<typeof Body>) {
  const format = text?.format ?? { type: 'text' };
  const choice: ToolChoice | undefined =
    typeof tool_choice === 'object' && tool_choice !== null ? { name: tool_choice.name } : (tool_choice ?? undefined);
  return { format: toResponseFormat(format), tools: tools ?? [], choice, parallel: parallel_tool_calls ?? true };
}

function toResponseFormat(format: z.infer<typeof Format>): ResponseFormat | undefined {
  if (format.type === 'text') return undefined;
  if (format.type === 'json_object') return { type: 'json_object' };
  return { type: 'json_schema', schema: flatSchema(format.schema, 'text.format.schema') };
}

function settingsOf(body: z.infer<typeof Body>): Readonly<Record<string, unknown>> {
  return {
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    metadata: body.metadata ?? {},
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    store: false,
    temperature: body.temperature ?? null,
    text: { format: body.text?.format ?? { type: 'text' } },
    tool_choice: body.tool_choice ?? 'auto',
    tools: body.tools ?? [],
    top_logprobs: body.top_logprobs ?? 0,
    top_p: body.top_p ?? null,
    truncation: 'disabled',
    user: body.user ?? null,
  };
}

function never(): boolean {
  return false;
}
