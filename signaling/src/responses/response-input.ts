/**
 * The `input` of OpenAI's responses, a text or a list of items, and what it becomes: items in one form, as they are kept and
 * listed, and the turns of a conversation.
 */
import { z } from 'zod';
import { MAX_CHOICE_NAME_CHARS, MAX_ID_CHARS, MAX_MESSAGES } from '../limits/limits.ts';
import { customArguments } from '../openai/tools/custom-tools.ts';
import { FunctionName } from '../openai/tools/function-tools.ts';
import type { PastCall, Turn } from '../openai/tools/hermes.ts';
import { toldName } from './response-tools.ts';

const text = { text: z.string() };
const Part = z.discriminatedUnion(
  'type',
  [
    z.object({ type: z.literal('input_text'), ...text }),
    z.object({ type: z.literal('output_text'), ...text }),
    z.object({ type: z.literal('text'), ...text }),
    z.object({ type: z.literal('summary_text'), ...text }),
    z.object({ type: z.literal('reasoning_text'), ...text }),
    z.object({ type: z.literal('refusal'), refusal: z.string() }),
  ],
  'expected a part of the type input_text or output_text; the mesh reads text only',
);
const Content = z.preprocess(
  (content) => (typeof content === 'string' ? [{ type: 'text', text: content }] : content),
  z.array(Part, 'expected a text or a list of text parts'),
);
type Content = z.infer<typeof Content>;

const id = z.string().max(MAX_ID_CHARS).nullish();
const callId = z.string().min(1).max(MAX_ID_CHARS);
const namespace = z.string().max(MAX_CHOICE_NAME_CHARS).nullish();
const anything = z.unknown();

/**
 * What providers run themselves and tell of afterwards: nothing that a model here could read or do again. A client that
 * talked to another model before sends it along.
 */
const NOT_TOLD = [
  'reasoning',
  'web_search_call',
  'file_search_call',
  'code_interpreter_call',
  'image_generation_call',
  'computer_call',
  'computer_call_output',
  'mcp_list_tools',
  'mcp_approval_request',
  'mcp_approval_response',
  'tool_search_call',
  'tool_search_output',
] as const;

const Item = z.discriminatedUnion(
  'type',
  [
    z.object({
      type: z.literal('message'),
      id,
      role: z.enum(['system', 'developer', 'user', 'assistant']),
      content: Content,
    }),
    z.object({
      type: z.literal('function_call'),
      id,
      call_id: callId,
      name: FunctionName,
      namespace,
      arguments: z.string(),
    }),
    z.object({ type: z.literal('function_call_output'), id, call_id: callId, output: Content }),
    z.object({
      type: z.literal('custom_tool_call'),
      id,
      call_id: callId,
      name: FunctionName,
      namespace,
      input: z.string(),
    }),
    z.object({ type: z.literal('custom_tool_call_output'), id, call_id: callId, output: Content }),
    // Commands on the client's machine: calls like others, by tools with names of their own.
    z.object({ type: z.literal('local_shell_call'), id, call_id: callId, action: anything }),
    z.object({ type: z.literal('local_shell_call_output'), id, call_id: callId.nullish(), output: Content }),
    z.object({ type: z.literal('shell_call'), id, call_id: callId, action: anything }),
    z.object({ type: z.literal('shell_call_output'), id, call_id: callId, output: anything }),
    z.object({ type: z.literal('apply_patch_call'), id, call_id: callId, operation: anything }),
    z.object({ type: z.literal('apply_patch_call_output'), id, call_id: callId, output: z.string().nullish() }),
    z.object({
      type: z.literal('mcp_call'),
      id: callId,
      name: z.string().min(1).max(MAX_CHOICE_NAME_CHARS),
      arguments: z.string(),
      output: z.string().nullish(),
    }),
    ...NOT_TOLD.map((type) => z.looseObject({ type: z.literal(type), id })),
  ],
  'expected message, function_call, function_call_output, custom_tool_call, reasoning or item_reference',
);
/** As it is kept: whatever came as a text or without a type has the form of the published schemas. */
export type ResponseItem = z.infer<typeof Item>;

const Reference = z.object({ type: z.literal('item_reference'), id: callId });
export type ItemReference = z.infer<typeof Reference>;

/** A lone text is what a user says, and an item without a type is a message, or a reference where it is an id alone. */
export const ResponseInput = z.preprocess(
  (input) => (typeof input === 'string' ? [{ type: 'message', role: 'user', content: input }] : input),
  z
    .array(
      z.preprocess(
        typed,
        z.discriminatedUnion('type', [Reference, Item], 'expected an item with a type that there is'),
      ),
      'expected a text or a list of items',
    )
    .min(1)
    .max(MAX_MESSAGES),
);

/** With ids, and contents as parts, as the items of a response are listed. */
export function listedItems(
  responseId: string,
  items: readonly ResponseItem[],
): readonly (ResponseItem & { readonly id: string })[] {
  return items.map((item, index) => toListed(item, `item_${responseId.slice('resp_'.length)}${index}`));
}

function toListed(item: ResponseItem, ownId: string): ResponseItem & { readonly id: string } {
  const id = item.id ?? ownId;
  if (item.type === 'function_call_output' || item.type === 'custom_tool_call_output') {
    return { ...item, id, ...{ status: 'completed' }, output: withPartsOf('input_text', item.output) };
  }
  if (item.type !== 'message') return { ...item, id };
  const type = item.role === 'assistant' ? 'output_text' : 'input_text';
  return { ...item, id, ...{ status: 'completed' }, content: withPartsOf(type, item.content) };
}

/** A text without a type of its own is the side's that sent it. */
function withPartsOf(type: 'input_text' | 'output_text', content: Content): Content {
  return content.map((part) => {
    if (part.type !== 'text') return part;
    return type === 'output_text' ? { type, text: part.text, ...{ annotations: [] } } : { type, text: part.text };
  });
}

/** `instructions` are the system's, in front of what the input says itself. */
export function toTurns(items: readonly ResponseItem[], instructions: string): Turn[] {
  const turns: Turn[] = instructions === '' ? [] : [{ role: 'system', content: instructions }];
  for (const item of items) add(turns, item);
  return turns;
}

function add(turns: Turn[], item: ResponseItem): void {
  switch (item.type) {
    case 'message':
      addMessage(turns, item.role, textOf(item.content));
      return;
    case 'function_call':
      addCall(turns, { id: item.call_id, name: toldName(named(item)), arguments: item.arguments });
      return;
    case 'custom_tool_call':
      addCall(turns, { id: item.call_id, name: toldName(named(item)), arguments: customArguments(item.input) });
      return;
    case 'local_shell_call':
    case 'shell_call':
      addCall(turns, { id: item.call_id, name: item.type.slice(0, -'_call'.length), arguments: jsonOf(item.action) });
      return;
    case 'apply_patch_call':
      addCall(turns, { id: item.call_id, name: 'apply_patch', arguments: jsonOf(item.operation) });
      return;
    case 'function_call_output':
    case 'custom_tool_call_output':
    case 'local_shell_call_output':
      turns.push({ role: 'tool', callId: item.call_id ?? undefined, content: textOf(item.output) });
      return;
    case 'shell_call_output':
      turns.push({ role: 'tool', callId: item.call_id, content: jsonOf(item.output) });
      return;
    case 'apply_patch_call_output':
      turns.push({ role: 'tool', callId: item.call_id, content: item.output ?? '' });
      return;
    case 'mcp_call':
      addCall(turns, { id: item.id, name: item.name, arguments: item.arguments });
      turns.push({ role: 'tool', callId: item.id, content: item.output ?? '' });
      return;
    default:
      item.type satisfies (typeof NOT_TOLD)[number];
  }
}

function addMessage(turns: Turn[], role: 'system' | 'developer' | 'user' | 'assistant', content: string): void {
  const [first] = turns;
  if (role === 'assistant') turns.push({ role, content, calls: [] });
  else if (role === 'user') turns.push({ role, content });
  // Templates of models know one system message, at the beginning.
  else if (turns.length === 1 && first?.role === 'system') {
    turns[0] = { role: 'system', content: `${first.content}\n\n${content}` };
  } else turns.push({ role: 'system', content });
}

/** What an assistant says and calls in one go is one turn. */
function addCall(turns: Turn[], call: PastCall): void {
  const last = turns.at(-1);
  if (last?.role === 'assistant') turns[turns.length - 1] = { ...last, calls: [...last.calls, call] };
  else turns.push({ role: 'assistant', content: '', calls: [call] });
}

function named(item: { readonly name: string; readonly namespace?: string | null | undefined }) {
  return { name: item.name, namespace: item.namespace ?? undefined };
}

function textOf(content: Content): string {
  return content.map((part) => (part.type === 'refusal' ? part.refusal : part.text)).join('');
}

function jsonOf(value: unknown): string {
  return JSON.stringify(value ?? {});
}

function typed(item: unknown): unknown {
  if (typeof item !== 'object' || item === null || ('type' in item && item.type !== null)) return item;
  const isReference = 'id' in item && !('role' in item) && !('content' in item);
  return { ...item, type: isReference ? 'item_reference' : 'message' };
}
