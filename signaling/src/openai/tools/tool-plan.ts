/** From tools and conversation to what the mesh is asked, and how its answer is then read. */
import { type ChatMessage, MAX_SCHEMA_CHARS, type ResponseFormat } from '@tabmesh/shared';
import { leavesToCheck, type ReadSchema, whole } from '@tabmesh/shared/json-grammar';
import { fieldError } from '../../http/request-body.ts';
import { readField, tryGrammar } from './enforced-schema.ts';
import type { ToolOffer } from './function-tools.ts';
import { type Turn, tellTools, toHermesMessages } from './hermes.ts';
import { type AnswerCheck, checkOfCalls, checkOfSchema, type EnforcedCall } from './schema-check.ts';
import { type CallForm, ToolCallReader } from './tool-call-reader.ts';

/** The fields of a `CompletionRequest` that tools have a say in. */
export interface ToolPlan {
  readonly messages: readonly ChatMessage[];
  readonly responseFormat: ResponseFormat | undefined;
  readonly stop: readonly string[];
  /** One for each answer. Undefined: an answer is text. */
  readonly toolReader: (() => ToolCallReader) | undefined;
  /** Holds a complete answer against its schemas; undefined: the engine's grammar holds it already. */
  readonly check: AnswerCheck | undefined;
}

/** What a request asks of the form of its answers beside tools. */
interface AskedForm {
  readonly responseFormat?: ResponseFormat | undefined;
  /** How the request names its schema. */
  readonly formatField?: string;
  readonly stop?: readonly string[] | undefined;
}

/**
 * `required` and a named function are enforced by the engine's grammar: the whole text is then one call. With a form of
 * answer beside tools the grammar lets the model choose between both. Calls of a `strict` tool between text are held against
 * its parameters when the answer is complete.
 * @throws MeshError `invalid_request` for parameters that a grammar can't follow
 */
export function planTools(turns: readonly Turn[], offer: ToolOffer | undefined, asked: AskedForm): ToolPlan {
  const { responseFormat, formatField = 'response_format', stop = [] } = asked;
  if (offer === undefined) {
    const check = checkOfFormat(responseFormat, formatField);
    return { messages: toHermesMessages(turns, ''), responseFormat, stop, toolReader: undefined, check };
  }
  const { tools, choice, parallel } = offer;
  const form: CallForm = choice === 'auto' && responseFormat === undefined ? 'tagged' : 'bare';
  const names = new Set(typeof choice === 'object' ? [choice.name] : tools.map(({ name }) => name));
  const bare = form === 'tagged' ? undefined : bareFormat(offer, responseFormat);
  return {
    messages: toHermesMessages(turns, `${tellTools(tools)}${FORM_NOTES[form]}${choiceNote(choice)}`),
    responseFormat: bare,
    stop: form === 'tagged' && !parallel ? [...stop, '</tool_call>'] : stop,
    toolReader: () => new ToolCallReader(names, form),
    check: form === 'tagged' ? checkOfStrict(offer) : checkOfFormat(bare, choice === 'auto' ? formatField : 'tools'),
  };
}

function checkOfFormat(format: ResponseFormat | undefined, field: string): AnswerCheck | undefined {
  if (format?.type !== 'json_schema') return undefined;
  const read = readField(format.schema, field);
  return leavesToCheck(read) ? checkOfSchema(read, field) : undefined;
}

function checkOfStrict({ tools, fieldOf, parametersName }: ToolOffer): AnswerCheck | undefined {
  const calls = tools.flatMap(({ name, parameters, strict }, index): EnforcedCall[] => {
    if (strict !== true) return [];
    const field = `${fieldOf(index)}.${parametersName}`;
    const read = readField(parameters ?? {}, field);
    tryGrammar(read, field);
    return [{ name, parameters: read, field }];
  });
  return calls.length === 0 ? undefined : checkOfCalls(calls);
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
    .map(([index, tool]) => {
      const field = `${fieldOf(index)}.${parametersName}`;
      // No name of a definition that a schema brings along has a point.
      return { field, name: tool.name, read: readField(tool.parameters ?? {}, field, `tool${index}.`) };
    });
  const { $defs = {}, ...answer } = choice === 'auto' && asked?.type === 'json_schema' ? asked.schema : {};
  const forms = [
    ...(choice === 'auto' && asked?.type === 'json_schema' ? [answer] : []),
    ...calls.map(({ name, read }) => callSchema(name, read.schema)),
  ];
  const [only, second] = forms;
  const schema = only !== undefined && second === undefined ? only : { anyOf: forms };
  const definitions = Object.assign(
    {},
    $defs,
    ...calls.map(({ read }) => read.definitions),
  ) as ReadSchema['definitions'];
  const written = whole({ schema, definitions });
  if (JSON.stringify(written).length > MAX_SCHEMA_CHARS) {
    throw fieldError(
      'tools',
      `is too large to be enforced: ${MAX_SCHEMA_CHARS / 1024} KB of parameters is the most. Name one tool in tool_choice, or let it be auto.`,
    );
  }
  try {
    tryGrammar(readField(written, 'tools'), 'tools');
  } catch (error) {
    // Whose parameters it is tells more.
    for (const { field, read } of calls) tryGrammar(read, field);
    throw error;
  }
  return { type: 'json_schema', schema: written };
}

/** The name comes first, so that a call can be told while its arguments are still being written. */
function callSchema(name: string, parameters: ReadSchema['schema']): Record<string, unknown> {
  return {
    type: 'object',
    properties: {
      name: { type: 'string', const: name },
      arguments: { properties: {}, ...parameters, type: 'object' },
    },
    required: ['name', 'arguments'],
    additionalProperties: false,
  };
}
