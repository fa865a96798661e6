/**
 * Tools and calls as text, in the form that Hermes and Qwen models were trained on and others understand, so that every
 * engine can do tools: whoever serves sees messages only.
 */
import type { ChatMessage } from '@tabmesh/shared';
import type { FunctionTool } from './function-tools.ts';

export interface PastCall {
  readonly id: string;
  readonly name: string;
  /** JSON text, as the model wrote it. */
  readonly arguments: string;
}

/** A message of a conversation in which functions may have been called. */
export type Turn =
  | { readonly role: 'system' | 'user'; readonly content: string }
  | { readonly role: 'assistant'; readonly content: string; readonly calls: readonly PastCall[] }
  | { readonly role: 'tool'; readonly callId: string | undefined; readonly content: string };

/** @param instructions stand at the end of the system message */
export function toHermesMessages(turns: readonly Turn[], instructions: string): ChatMessage[] {
  const messages: ChatMessage[] = [];
  let calls: readonly PastCall[] = [];
  let results: ToolTurn[] = [];
  const endResults = () => {
    if (results.length > 0) {
      messages.push({ role: 'user', content: inOrderOf(calls, results).map(toResponse).join('\n') });
    }
    results = [];
  };
  for (const turn of turns) {
    if (turn.role === 'tool') {
      results.push(turn);
      continue;
    }
    endResults();
    if (turn.role === 'assistant') {
      calls = turn.calls;
      const parts = [turn.content, ...calls.map(toCall)].filter((part) => part !== '');
      messages.push({ role: 'assistant', content: parts.join('\n') });
    } else {
      messages.push({ role: turn.role, content: turn.content });
    }
  }
  endResults();
  return instructions === '' ? messages : withInstructions(messages, instructions);
}

export function tellTools(tools: readonly FunctionTool[]): string {
  const signatures = tools.map(({ name, description, parameters }) =>
    JSON.stringify({
      type: 'function',
      function: { name, ...(description ? { description } : {}), parameters: parameters ?? NOTHING },
    }),
  );
  return [
    '# Tools\n',
    'You may call one or more functions to assist with the user query.\n',
    'You are provided with function signatures within <tools></tools> XML tags:',
    '<tools>',
    ...signatures.map((signature) => withoutTag(signature, 'tools')),
    '</tools>\n',
    'For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:',
    '<tool_call>',
    '{"name": <function-name>, "arguments": <args-json-object>}',
    '</tool_call>',
  ].join('\n');
}

const NOTHING = { type: 'object', properties: {} };

type ToolTurn = Extract<Turn, { role: 'tool' }>;

/** The text form has no ids: what belongs to which call is told by the order. */
function inOrderOf(calls: readonly PastCall[], results: readonly ToolTurn[]): ToolTurn[] {
  const places = new Map(calls.map(({ id }, index) => [id, index]));
  const place = ({ callId = '' }: ToolTurn) => places.get(callId) ?? calls.length;
  return [...results].sort((left, right) => place(left) - place(right));
}

function toCall({ name, arguments: given }: PastCall): string {
  const call = `{"name": ${JSON.stringify(name)}, "arguments": ${isJson(given) ? given : JSON.stringify(given)}}`;
  return `<tool_call>\n${withoutTag(call, 'tool_call')}\n</tool_call>`;
}

function toResponse({ content }: ToolTurn): string {
  return `<tool_response>\n${content.replaceAll('</tool_response>', '<\\/tool_response>')}\n</tool_response>`;
}

/** The same JSON, but nothing in it can end the tag around it. */
function withoutTag(json: string, tag: string): string {
  return json.replaceAll(`</${tag}>`, `\\u003c/${tag}>`);
}

function withInstructions([first, ...rest]: readonly ChatMessage[], instructions: string): ChatMessage[] {
  if (first?.role === 'system') return [{ role: 'system', content: `${first.content}\n\n${instructions}` }, ...rest];
  const system: ChatMessage = { role: 'system', content: instructions };
  return first === undefined ? [system] : [system, first, ...rest];
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
