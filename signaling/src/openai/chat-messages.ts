/** The messages of a chat completion, of every role and age, read into the turns of a conversation. */
import { z } from 'zod';
import { MAX_MESSAGES, MAX_PAST_CALLS_PER_MESSAGE } from '../limits/limits.ts';
import { customArguments } from './tools/custom-tools.ts';
import { FunctionName } from './tools/function-tools.ts';
import type { PastCall, Turn } from './tools/hermes.ts';

const Part = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('refusal'), refusal: z.string() }),
]);

const FunctionCall = z.object({ name: FunctionName, arguments: z.string() });
const PastCallOfKind = z.discriminatedUnion('type', [
  z.object({ type: z.literal('function'), id: z.string(), function: FunctionCall }),
  z.object({ type: z.literal('custom'), id: z.string(), custom: z.object({ name: FunctionName, input: z.string() }) }),
]);
/** Some clients leave the kind out, since there was one only. */
const PastCallField = z.preprocess(
  (call) => (isObject(call) && (call.type ?? null) === null ? { ...call, type: 'function' } : call),
  PastCallOfKind,
);

const Message = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
  content: z
    .union(
      [z.string(), z.array(Part)],
      'expected a text or a list of text parts; the mesh reads no images, sounds or files',
    )
    .nullish(),
  refusal: z.string().nullish(),
  /** Whose result it is, with the role `function`; with any other it is of no use to a chat template. */
  name: z.string().nullish(),
  tool_calls: z.array(PastCallField).max(MAX_PAST_CALLS_PER_MESSAGE).nullish(),
  tool_call_id: z.string().nullish(),
  function_call: FunctionCall.nullish(),
  audio: z.null('the mesh reads text only; send what was said as content').optional(),
  // Other servers go on with such a message rather than answer it.
  prefix: z.literal(false, 'the mesh answers messages and continues none; leave it out').nullish(),
});

export const ChatMessages = z.array(Message).min(1).max(MAX_MESSAGES);

export function toTurn(message: z.infer<typeof Message>): Turn {
  const content = textOf(message);
  switch (message.role) {
    case 'assistant':
      return { role: 'assistant', content, calls: callsOf(message) };
    case 'tool':
      return { role: 'tool', callId: message.tool_call_id ?? undefined, content };
    case 'function':
      return { role: 'tool', callId: idOfFunction(message.name ?? ''), content };
    case 'developer':
      return { role: 'system', content };
    default:
      return { role: message.role, content };
  }
}

function textOf({ content, refusal }: z.infer<typeof Message>): string {
  const said =
    typeof content === 'string'
      ? content
      : (content ?? []).map((part) => (part.type === 'refusal' ? part.refusal : part.text)).join('');
  return said === '' ? (refusal ?? '') : said;
}

function callsOf({ tool_calls, function_call }: z.infer<typeof Message>): PastCall[] {
  const calls = (tool_calls ?? []).map((call): PastCall => {
    if (call.type === 'function') return { id: call.id, ...call.function };
    return { id: call.id, name: call.custom.name, arguments: customArguments(call.custom.input) };
  });
  if (function_call === null || function_call === undefined) return calls;
  return [...calls, { id: idOfFunction(function_call.name), ...function_call }];
}

/** OpenAI's first calls have no ids: a result belongs to the call of its function. */
function idOfFunction(name: string): string {
  return `function ${name}`;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
