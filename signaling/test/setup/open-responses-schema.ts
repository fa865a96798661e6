/**
 * The required fields of responses, items and events by the published Open Responses schemas (openresponses.org), as far as
 * an answer of the mesh can have them. Unknown fields are allowed there, missing ones are not.
 */
import { z } from 'zod';

const text = z.string();
const count = z.int().min(0);
const number = z.number();

const TopLogprob = z.looseObject({ token: text, logprob: number, bytes: z.array(count) });
const Logprob = TopLogprob.extend({ top_logprobs: z.array(TopLogprob) });
const OutputText = z.looseObject({
  type: z.literal('output_text'),
  text,
  annotations: z.array(z.looseObject({})),
  logprobs: z.array(Logprob),
});
const Part = z.discriminatedUnion('type', [
  OutputText,
  z.looseObject({ type: z.literal('input_text'), text }),
  z.looseObject({ type: z.literal('reasoning_text'), text }),
  z.looseObject({ type: z.literal('summary_text'), text }),
  z.looseObject({ type: z.literal('refusal'), refusal: text }),
]);

const status = z.enum(['in_progress', 'completed', 'incomplete']);
export const OutputItem = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('message'),
    id: text,
    status,
    role: z.literal('assistant'),
    content: z.array(Part),
  }),
  z.looseObject({ type: z.literal('function_call'), id: text, call_id: text, name: text, arguments: text, status }),
  // Beyond Open Responses, as OpenAI's own.
  z.looseObject({ type: z.literal('custom_tool_call'), id: text, call_id: text, name: text, input: text, status }),
  z.looseObject({
    type: z.literal('reasoning'),
    id: text,
    summary: z.array(Part),
    content: z.array(Part).optional(),
  }),
]);

const Tool = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('function'),
    name: text,
    description: text.nullable(),
    parameters: z.looseObject({}).nullable(),
    strict: z.boolean().nullable(),
  }),
  z.looseObject({ type: z.literal('custom'), name: text, description: text.nullable(), format: z.looseObject({}) }),
  z.looseObject({ type: z.literal('namespace'), name: text, description: text, tools: z.array(z.looseObject({})) }),
]);

const Format = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('text') }),
  z.looseObject({ type: z.literal('json_object') }),
  z.looseObject({
    type: z.literal('json_schema'),
    name: text,
    description: text.nullable(),
    schema: z.looseObject({}),
    strict: z.boolean(),
  }),
]);

const mode = z.enum(['none', 'auto', 'required']);
export const WholeResponse = z.looseObject({
  id: text,
  object: z.literal('response'),
  created_at: z.int(),
  completed_at: z.int().nullable(),
  status: z.enum(['queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled']),
  incomplete_details: z.looseObject({ reason: text }).nullable(),
  model: text,
  previous_response_id: text.nullable(),
  instructions: text.nullable(),
  output: z.array(OutputItem),
  error: z.looseObject({ code: text, message: text }).nullable(),
  tools: z.array(Tool),
  tool_choice: z.union([
    mode,
    z.looseObject({ type: z.enum(['function', 'custom']) }),
    z.looseObject({ type: z.literal('allowed_tools'), tools: z.array(z.looseObject({})), mode }),
  ]),
  truncation: z.enum(['auto', 'disabled']),
  parallel_tool_calls: z.boolean(),
  text: z.looseObject({ format: Format, verbosity: z.enum(['low', 'medium', 'high']) }),
  top_p: number,
  presence_penalty: number,
  frequency_penalty: number,
  top_logprobs: count,
  temperature: number,
  reasoning: z.looseObject({ effort: text.nullable(), summary: text.nullable() }),
  usage: z
    .looseObject({
      input_tokens: count,
      output_tokens: count,
      total_tokens: count,
      input_tokens_details: z.looseObject({ cached_tokens: count }),
      output_tokens_details: z.looseObject({ reasoning_tokens: count }),
    })
    .nullable(),
  max_output_tokens: count.nullable(),
  max_tool_calls: count.nullable(),
  store: z.boolean(),
  background: z.boolean(),
  service_tier: text,
  metadata: z.record(text, text),
  safety_identifier: text.nullable(),
  prompt_cache_key: text.nullable(),
});

const place = { sequence_number: count, item_id: text, output_index: count };
const snapshot = (type: string) =>
  z.looseObject({ type: z.literal(`response.${type}`), sequence_number: count, response: WholeResponse });
const item = (type: string) =>
  z.looseObject({
    type: z.literal(`response.output_item.${type}`),
    sequence_number: count,
    output_index: count,
    item: OutputItem,
  });
const inPart = (type: string, fields: z.ZodRawShape) =>
  z.looseObject({ type: z.literal(`response.${type}`), ...place, content_index: count, ...fields });
const inSummary = (type: string, fields: z.ZodRawShape) =>
  z.looseObject({ type: z.literal(`response.${type}`), ...place, summary_index: count, ...fields });
const inItem = (type: string, fields: z.ZodRawShape) =>
  z.looseObject({ type: z.literal(`response.${type}`), ...place, ...fields });

export const StreamedEvent = z.union([
  ...['created', 'queued', 'in_progress', 'completed', 'incomplete', 'failed'].map(snapshot),
  item('added'),
  item('done'),
  inPart('content_part.added', { part: Part }),
  inPart('content_part.done', { part: Part }),
  inPart('output_text.delta', { delta: text, logprobs: z.array(Logprob) }),
  inPart('output_text.done', { text, logprobs: z.array(Logprob) }),
  inPart('reasoning_text.delta', { delta: text }),
  inPart('reasoning_text.done', { text }),
  inSummary('reasoning_summary_part.added', { part: Part }),
  inSummary('reasoning_summary_part.done', { part: Part }),
  inSummary('reasoning_summary_text.delta', { delta: text }),
  inSummary('reasoning_summary_text.done', { text }),
  inItem('function_call_arguments.delta', { delta: text }),
  inItem('function_call_arguments.done', { arguments: text }),
  inItem('custom_tool_call_input.delta', { delta: text }),
  inItem('custom_tool_call_input.done', { input: text }),
]);
