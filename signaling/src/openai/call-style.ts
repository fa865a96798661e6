/** How a chat answer tells its calls: as tools of two kinds, or as the one function call of OpenAI's first API for them. */
import type { JobId } from '@tabmesh/shared';
import type { CallPart } from './tools/freeform-calls.ts';

export type CallStyle =
  | {
      readonly kind: 'tools';
      /** Names of the tools that take a text of any form. */
      readonly custom: ReadonlySet<string>;
    }
  | { readonly kind: 'function' };

export const TOOL_STYLE: CallStyle = { kind: 'tools', custom: new Set() };

/** A call that is complete: JSON text for a function, any text for a custom tool. */
export interface Called {
  readonly name: string;
  given: string;
}

export function finishReasonOf(style: CallStyle): 'tool_calls' | 'function_call' {
  return style.kind === 'function' ? 'function_call' : 'tool_calls';
}

/** Of a message in one piece; without calls nothing is said of them. */
export function callFieldsOf(calls: readonly Called[], style: CallStyle, jobId: JobId): object {
  const [first] = calls;
  if (first === undefined) return {};
  if (style.kind === 'function') return { function_call: { name: first.name, arguments: first.given } };
  return { tool_calls: calls.map((call, index) => toolCallOf(call, callId(jobId, index), style.custom)) };
}

/** Of a streamed message. */
export function callDeltaOf(part: Exclude<CallPart, { type: 'text' }>, style: CallStyle, jobId: JobId): object {
  const { index } = part;
  if (part.type === 'call') {
    const { name } = part;
    if (style.kind === 'function') return { function_call: { name, arguments: '' } };
    return { tool_calls: [{ index, ...toolCallOf({ name, given: '' }, callId(jobId, index), style.custom) }] };
  }
  if (style.kind === 'function') return { function_call: { arguments: part.text } };
  if (part.type === 'input') return { tool_calls: [{ index, custom: { input: part.text } }] };
  return { tool_calls: [{ index, function: { arguments: part.text } }] };
}

/** Unique in a conversation, and short enough for every client. */
export function callId(jobId: JobId, index: number): string {
  return `call_${jobId.slice(0, 24)}_${index}`;
}

function toolCallOf({ name, given }: Called, id: string, custom: ReadonlySet<string>): object {
  if (custom.has(name)) return { id, type: 'custom', custom: { name, input: given } };
  return { id, type: 'function', function: { name, arguments: given } };
}
