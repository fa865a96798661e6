/**
 * The `input` of OpenAI's responses, a text or a list of items, read into the turns of a conversation. Items that only
 * mean something to a server that keeps conversations are refused.
 */
import { z } from 'zod';
import { MAX_ID_CHARS, MAX_MESSAGES } from '../../limits/limits.ts';
import { FunctionName } from '../tools/function-tools.ts';
import type { PastCall, Turn } from '../tools/hermes.ts';

const textPart = { text: z.string() };
const Part = z.discriminatedUnion(
  'type',
  [
    z.object({ type: z.literal('input_text'), ...textPart }),
    z.object({ type: z.literal('output_text'), ...textPart }),
    z.object({ type: z.literal('text'), ...textPart }),
    z.object({ type: z.literal('refusal'), refusal: z.string() }),
  ],
  'expected a part of the type input_text or output_text; the mesh reads text only',
);
const Content = z.preprocess(
  (content) => (typeof content === 'string' ? [{ type: 'text', text: content }] : content),
  z.array(Part, 'expected a text or a list of text parts'),
);

const callId = z.string().min(1).max(MAX_ID_CHARS);
const Item = z.discriminatedUnion(
  'type',
  [
    z.object({
      type: z.literal('message'),
      role: z.enum(['system', 'developer', 'user', 'assistant']),
      content: Content,
    }),
    z.object({ type: z.literal('function_call'), call_id: callId, name: FunctionName, arguments: z.string() }),
    z.object({ type: z.literal('function_call_output'), call_id: callId, output: Content }),
    // A client that talked to another model before sends its thoughts along. They are no part of the conversation.
    z.object({ type: z.literal('reasoning') }),
  ],
  'expected message, function_call or function_call_output; send those in full, because nothing is kept here',
);
type Item = z.infer<typeof Item>;

/** A lone text is what a user says, and an item without a type is a message. */
export const ResponseInput = z.preprocess(
  (input) => (typeof input === 'string' ? [{ type: 'message', role: 'user', content: input }] : input),
  z
    .array(
      z.preprocess((item) => (isUntyped(item) ? { ...item, type: 'message' } : item), Item),
      'expected a text or a list of items',
    )
    .min(1)
    .max(MAX_MESSAGES),
);

/** `instructions` are the system's, in front of what the input says itself. */
export function toTurns(items: z.infer<typeof ResponseInput>, instructions: string): Turn[] {
  const turns: Turn[] = instructions === '' ? [] : [{ role: 'system', content: instructions }];
  for (const item of items) add(turns, item);
  return turns;
}

function add(turns: Turn[], item: Item): void {
  const last = turns.at(-1);
  switch (item.type) {
    case 'message': {
      const content = textOf(item.content);
      if (item.role === 'assistant') turns.push({ role: 'assistant', content, calls: [] });
      else if (item.role === 'user') turns.push({ role: 'user', content });
      // Templates of models know one system message, at the beginning.
      else if (turns.length === 1 && last?.role === 'system') {
        turns[0] = { role: 'system', content: `${last.content}\n\n${content}` };
      } else turns.push({ role: 'system', content });
      return;
    }
    case 'function_call': {
      const call: PastCall = { id: item.call_id, name: item.name, arguments: item.arguments };
      // What an assistant says and calls in one go is one turn.
      if (last?.role === 'assistant') turns[turns.length - 1] = { ...last, calls: [...last.calls, call] };
      else turns.push({ role: 'assistant', content: '', calls: [call] });
      return;
    }
    case 'function_call_output':
      turns.push({ role: 'tool', callId: item.call_id, content: textOf(item.output) });
      return;
    case 'reasoning':
      return;
    default:
      item satisfies never;
  }
}

function textOf(parts: z.infer<typeof Content>): string {
  return parts.map((part) => (part.type === 'refusal' ? part.refusal : part.text)).join('');
}

function isUntyped(item: unknown): item is object {
  return typeof item === 'object' && item !== null && !('type' in item && item.type !== null);
}
