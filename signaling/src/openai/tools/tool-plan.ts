/** From tools and conversation to what the mesh is asked, and how its answer is then read. */
import type { ChatMessage, ResponseFormat } from '@tabmesh/shared';
import { MAX_SCHEMA_CHARS } from '@tabmesh/shared';
import { fieldError } from '../../http/request-body.ts';
import { flatSchema } from './flat-schema.ts';
import type { FunctionTool, ToolOffer } from './function-tools.ts';
import { type Turn, tellTools, toHermesMessages } from './hermes.ts';
import { type CallForm, ToolCallReader } from './tool-call-reader.ts';

/** The fields of a `CompletionRequest` that tools have a say in. */
export interface ToolPlan {
  readonly messages: readonly ChatMessage[];
  readonly responseFormat: ResponseFormat | undefined;
  readonly stop: readonly string[];
  /** One for each answer. Undefined: an answer is text. */
  readonly toolReader: (() => ToolCallReader) | undefined;
}

/**
 * `required` and a named function are enforced by the engine's grammar: the whole text is then one call. With a form of
 * answer beside tools the grammar lets the model choose between both.
 * @throws MeshError `invalid_request` for parameters that a grammar can't follow
 */
export function planTools(
  turns: readonly Turn[],
  offer: ToolOffer | undefined,
  asked: { readonly responseFormat?: ResponseFormat | undefined; readonly stop?: readonly string[] | undefined },
): ToolPlan {
  const { responseFormat, stop = [] } = asked;
  if (offer === undefined) {
    return { messages: toHermesMessages(turns, ''), responseFormat, stop, toolReader: undefined };
  }
  const { tools, choice, parallel } = offer;
  const form: CallForm = choice === 'auto' && responseFormat === undefined ? 'tagged' : 'bare';
  const names = new Set(typeof choice === 'object' ? [choice.name] : tools.map(({ name }) => name));
  return {
    messages: toHermesMessages(turns, `${tellTools(tools)}${FORM_NOTES[form]}${choiceNote(choice)}`),
    responseFormat: form === 'tagged' ? undefined : bareFormat(offer, responseFormat),
    stop: form === 'tagged' && !parallel ? [...stop, '</tool_call>'] : stop,
    toolReader: () => new ToolCallReader(names, form),
  };
}

const FORM_NOTES: Record<CallForm, string> = {
  tagged: '',
  bare: '\n\nThis time return the json object of a function call alone, without the XML tags.',
};

function choiceNote(choice: ToolOffer['choice']): string {
  if (choice === 'auto') return '';
  return choice === 'required' ? ' Call one of the functions.' : ` Call the function ${choice.name}.`;
}

function bareFormat(
  { tools, choice, fieldOf, parametersName }: ToolOffer,
  asked: ResponseFormat | undefined,
): ResponseFormat {
  // Any object: a call is one already.
  if (choice === 'auto' && asked?.type === 'json_object') return asked;
  const calls = [...tools.entries()]
    .filter(([, { name }]) => typeof choice !== 'object' || choice.name === name)
    .map(([index, tool]) => callSchema(tool, `${fieldOf(index)}.${parametersName}`));
  const forms = choice === 'auto' && asked?.type === 'json_schema' ? [asked.schema, ...calls] : calls;
  const [only, second] = forms;
  const schema = only !== undefined && second === undefined ? only : { anyOf: forms };
  if (JSON.stringify(schema).length > MAX_SCHEMA_CHARS) {
    throw fieldError(
      'tools',
      `is too large to be enforced: ${MAX_SCHEMA_CHARS / 1024} KB of parameters is the most. Name one tool in tool_choice, or let it be auto.`,
    );
  }
  return { type: 'json_schema', schema };
}

/** The name comes first, so that a call can be told while its arguments are still being written. */
function callSchema({ name, parameters }: FunctionTool, field: string): Record<string, unknown> {
  return {
    type: 'object',
    properties: {
      name: { type: 'string', const: name },
      arguments: { properties: {}, ...flatSchema(parameters ?? {}, field), type: 'object' },
    },
    required: ['name', 'arguments'],
    additionalProperties: false,
  };
}
