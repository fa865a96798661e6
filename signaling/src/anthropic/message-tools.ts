/**
 * The tools of Anthropic's API. Those that the client runs are functions, also where their form is known by a type alone
 * (`bash_…`, `text_editor_…`, `memory_…`). Those that a server would run, and those that need pictures, are nobody's here
 * and left out, so that a client that always offers them is answered.
 */
import { z } from 'zod';
import { fieldError } from '../http/request-body.ts';
import { MAX_CHOICE_NAME_CHARS, MAX_MESSAGE_TOOL_NAME_CHARS, MAX_TOOL_TYPE_CHARS } from '../limits/limits.ts';
import { type FunctionTool, type ToolChoice, type ToolOffer, toolOffer } from '../openai/tools/function-tools.ts';
import { TYPED_TOOLS } from './typed-tools.ts';

const NAME_RULE = `a tool's name has 1 to ${MAX_MESSAGE_TOOL_NAME_CHARS} letters, digits, '_' or '-'`;
export const ToolName = z
  .string()
  .regex(/^[a-zA-Z0-9_-]+$/, NAME_RULE)
  .max(MAX_MESSAGE_TOOL_NAME_CHARS, NAME_RULE);

const Tool = z.object({
  /** Absent: a tool of the client's own. */
  type: z.string().max(MAX_TOOL_TYPE_CHARS).nullish(),
  name: ToolName.nullish(),
  description: z.string().nullish(),
  input_schema: z.record(z.string(), z.unknown()).nullish(),
  strict: z.boolean().nullish(),
});

export const ToolFields = z.object({
  tools: z.array(Tool).nullish(),
  tool_choice: z
    .discriminatedUnion(
      'type',
      [
        z.object({ type: z.literal('auto'), disable_parallel_tool_use: z.boolean().nullish() }),
        z.object({ type: z.literal('any'), disable_parallel_tool_use: z.boolean().nullish() }),
        z.object({ type: z.literal('none') }),
        z.object({
          type: z.literal('tool'),
          name: z.string().max(MAX_CHOICE_NAME_CHARS),
          disable_parallel_tool_use: z.boolean().nullish(),
        }),
      ],
      'expected auto, any, tool or none',
    )
    .nullish(),
});
type ToolFields = z.infer<typeof ToolFields>;

/**
 * Undefined: the model is told of no tools.
 * @throws MeshError `invalid_request` that names the field
 */
export function readTools({ tools, tool_choice }: ToolFields): ToolOffer | undefined {
  const told = (tools ?? []).flatMap((tool, index) => {
    const known = toFunction(tool, index);
    return known === undefined ? [] : [{ tool: known, index }];
  });
  return toolOffer({
    tools: told.map(({ tool }) => tool),
    choice: choiceOf(tool_choice),
    parallel: !(tool_choice && 'disable_parallel_tool_use' in tool_choice && tool_choice.disable_parallel_tool_use),
    fieldOf: (place) => `tools[${told[place]?.index}]`,
    parametersName: 'input_schema',
  });
}

function choiceOf(choice: ToolFields['tool_choice']): ToolChoice | undefined {
  switch (choice?.type) {
    case undefined:
    case 'auto':
      return 'auto';
    case 'any':
      return 'required';
    case 'none':
      return 'none';
    case 'tool':
      return { name: choice.name };
    default:
      return choice satisfies never;
  }
}

function toFunction({ type, name, description, input_schema, strict }: z.infer<typeof Tool>, index: number) {
  if (type === null || type === undefined || type === 'custom') {
    if (name === null || name === undefined) throw fieldError(`tools[${index}].name`, 'is missing. Name the tool.');
    if (input_schema === null || input_schema === undefined) {
      throw fieldError(`tools[${index}].input_schema`, 'is missing. Send the JSON schema of what the tool takes.');
    }
    return { name, description, parameters: input_schema, strict } satisfies FunctionTool;
  }
  const typed = TYPED_TOOLS.find(({ prefix }) => type.startsWith(prefix));
  return typed && { name: name ?? typed.name, description: typed.description, parameters: typed.parameters };
}
