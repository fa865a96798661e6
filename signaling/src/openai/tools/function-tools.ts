/** The functions that a request offers to the model, and which of them it has to call. Nothing here is trusted. */
import { z } from 'zod';
import { fieldError } from '../../http/request-body.ts';
import { MAX_JSON_LEVELS, MAX_TOOL_DEFINITION_BYTES, MAX_TOOL_NAME_CHARS, MAX_TOOLS } from '../../limits/limits.ts';
import { isDeeperThan } from './enforced-schema.ts';

const NAME_RULE = `a function's name has 1 to ${MAX_TOOL_NAME_CHARS} letters, digits, '_' or '-'`;
export const FunctionName = z
  .string()
  .regex(/^[a-zA-Z0-9_-]+$/, NAME_RULE)
  .max(MAX_TOOL_NAME_CHARS, NAME_RULE);

export const FunctionTool = z.object({
  name: FunctionName,
  description: z.string().nullish(),
  /** JSON schema of an object; absent: the function takes nothing. */
  parameters: z.record(z.string(), z.unknown()).nullish(),
  /** Its calls follow the parameters, or the answer fails. */
  strict: z.boolean().nullish(),
});
export type FunctionTool = z.infer<typeof FunctionTool>;

export type ToolChoice = 'none' | 'auto' | 'required' | { readonly name: string };

/** What a request says of tools, once it makes sense. */
export interface ToolOffer {
  readonly tools: readonly FunctionTool[];
  readonly choice: Exclude<ToolChoice, 'none'>;
  /** Whether one answer may hold several calls. */
  readonly parallel: boolean;
  /** How the request names the definition of a tool, for refusals. */
  readonly fieldOf: (index: number) => string;
  /** … and in it the schema of what the tool takes. */
  readonly parametersName: string;
}

/**
 * Undefined: the model is told of no tools.
 * @throws MeshError `invalid_request` that names the field
 */
export function toolOffer(offer: {
  readonly tools: readonly FunctionTool[];
  readonly choice: ToolChoice | undefined;
  readonly parallel: boolean;
  readonly fieldOf: (index: number) => string;
  /** How the request names what it says of the choice. */
  readonly choiceField?: string;
  /** How it names the schema of what a tool takes. */
  readonly parametersName?: string;
}): ToolOffer | undefined {
  const {
    tools,
    choice = 'auto',
    parallel,
    fieldOf,
    choiceField = 'tool_choice',
    parametersName = 'parameters',
  } = offer;
  checkDefinitions(tools, fieldOf, parametersName);
  if (tools.length === 0 && choice !== 'none' && choice !== 'auto') {
    throw fieldError(choiceField, 'asks for a call, but there are no tools. Send tools, or leave it out.');
  }
  if (typeof choice === 'object' && !tools.some(({ name }) => name === choice.name)) {
    throw fieldError(choiceField, `names '${choice.name}', which is none of the tools. Name one of them.`);
  }
  return tools.length === 0 || choice === 'none' ? undefined : { tools, choice, parallel, fieldOf, parametersName };
}

function checkDefinitions(
  tools: readonly FunctionTool[],
  fieldOf: (index: number) => string,
  parametersName: string,
): void {
  if (tools.length > MAX_TOOLS) {
    throw fieldError('tools', `has ${tools.length} tools, but ${MAX_TOOLS} is the most. Send fewer.`);
  }
  const names = new Set<string>();
  for (const [index, { name, parameters }] of tools.entries()) {
    if (names.has(name)) throw fieldError(`${fieldOf(index)}.name`, `is '${name}' again. Give each tool its own name.`);
    names.add(name);
    const field = `${fieldOf(index)}.${parametersName}`;
    if (isDeeperThan(parameters, MAX_JSON_LEVELS)) {
      throw fieldError(field, `is nested deeper than ${MAX_JSON_LEVELS} levels. Make it flatter.`);
    }
    const type = parameters?.type;
    if (type !== undefined && type !== 'object') throw fieldError(field, "must be of the type 'object'. Correct it.");
  }
  if (Buffer.byteLength(JSON.stringify(tools)) > MAX_TOOL_DEFINITION_BYTES) {
    throw fieldError(
      'tools',
      `is larger than ${MAX_TOOL_DEFINITION_BYTES / 1024} KB. Send fewer tools, or shorter ones.`,
    );
  }
}
