/**
 * The tools of a response: functions, tools that take a text, both also within namespaces. The model is told functions
 * only, each under one name; calls come back under the names that the client gave. Tools that a provider would run itself
 * (a web search, a code interpreter) are nobody's here and left out, so that a client that always offers them is answered.
 */
import { z } from 'zod';
import { fieldError } from '../http/request-body.ts';
import { MAX_CHOICE_NAME_CHARS, MAX_TOOL_NAME_CHARS, MAX_TOOL_TYPE_CHARS, MAX_TOOLS } from '../limits/limits.ts';
import { CustomTool, customAsFunction } from '../openai/tools/custom-tools.ts';
import { FunctionTool, type ToolChoice, type ToolOffer, toolOffer } from '../openai/tools/function-tools.ts';

/** What a client calls a tool. */
export interface ToolName {
  readonly type: 'function' | 'custom';
  readonly name: string;
  readonly namespace?: string | undefined;
}

const OwnFunction = z.object({
  type: z.literal('function'),
  ...FunctionTool.shape,
  strict: z.boolean().nullish(),
});
const Custom = z.object({ type: z.literal('custom'), ...CustomTool.shape });
const Namespace = z.object({
  type: z.literal('namespace'),
  name: z.string().min(1).max(MAX_CHOICE_NAME_CHARS),
  description: z.string().nullish(),
  tools: z.array(z.discriminatedUnion('type', [OwnFunction, Custom], 'expected function or custom')).max(MAX_TOOLS),
});
const Known = z.discriminatedUnion('type', [OwnFunction, Custom, Namespace]);

/** By how they begin, since their versions are part of their names: `web_search_preview_2025_03_11`. */
const HOSTED =
  /^(web_search|file_search|code_interpreter|image_generation|computer|mcp|local_shell|shell|apply_patch|tool_search|programmatic_tool_calling)/;
const Hosted = z
  .object({ type: z.string().max(MAX_TOOL_TYPE_CHARS).regex(HOSTED, 'expected function, custom or namespace') })
  .transform(({ type }) => ({ type, isHosted: true as const }));

export const ResponseTools = z.array(
  z.unknown().transform((tool, context) => {
    const type = typeof tool === 'object' && tool !== null && 'type' in tool ? tool.type : undefined;
    const isKnown = type === 'function' || type === 'custom' || type === 'namespace';
    const parsed = (isKnown ? Known : Hosted).safeParse(tool);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    context.issues.push({ code: 'custom', input: tool, path: issue?.path ?? [], message: issue?.message ?? 'unknown' });
    return z.NEVER;
  }),
);
type ResponseTools = z.infer<typeof ResponseTools>;

const Chosen = z.object({
  type: z.enum(['function', 'custom']),
  name: z.string().max(MAX_CHOICE_NAME_CHARS),
  namespace: z.string().max(MAX_CHOICE_NAME_CHARS).nullish(),
});
const Allowed = z.object({
  type: z.literal('allowed_tools'),
  mode: z.enum(['none', 'auto', 'required']).nullish(),
  // Of the tools that nobody has here the client may speak as well.
  tools: z.array(z.looseObject({ type: z.string().max(MAX_TOOL_TYPE_CHARS) })).max(MAX_TOOLS),
});
export const ResponseToolChoice = z.union(
  [z.enum(['none', 'auto', 'required']), Chosen, Allowed],
  'expected none, auto, required, allowed_tools, or a function of the tools by its name',
);
export type ResponseToolChoice = z.infer<typeof ResponseToolChoice>;

export interface OfferedTools {
  /** Undefined: the model is told of no tools. */
  readonly offer: ToolOffer | undefined;
  /** What the client calls the function that the model knows by this name. */
  nameOf(told: string): ToolName;
  /** The tools as a response repeats them, complete. */
  readonly repeated: readonly object[];
}

/**
 * The name that the model is told. Deterministic, because past calls come without the tools that they were made of.
 * Names that are too long together go without the namespace.
 */
export function toldName({ name, namespace }: Omit<ToolName, 'type'>): string {
  if (namespace === undefined || namespace === '') return name;
  const prefix = namespace.replaceAll(/[^a-zA-Z0-9_-]/g, '_').replace(/_+$/, '');
  const told = `${prefix}__${name}`;
  return told.length > MAX_TOOL_NAME_CHARS ? name : told;
}

/** @throws MeshError `invalid_request` that names the field */
export function offerTools(
  given: ResponseTools,
  choice: ResponseToolChoice | undefined,
  parallel: boolean,
): OfferedTools {
  const told = given.flatMap(unfold);
  const names = new Map(told.map(({ tool, name }) => [tool.name, name]));
  const { tools, choice: chosen } = chosenFrom(told, choice);
  return {
    offer: toolOffer({
      tools: tools.map(({ tool }) => tool),
      choice: chosen,
      parallel,
      fieldOf: (index) => tools[index]?.field ?? 'tools',
    }),
    nameOf: (name) => names.get(name) ?? { type: 'function', name },
    repeated: given.flatMap(repeat),
  };
}

interface ToldTool {
  readonly tool: FunctionTool;
  readonly name: ToolName;
  readonly field: string;
}

function unfold(tool: ResponseTools[number], index: number): ToldTool[] {
  const field = `tools[${index}]`;
  if ('isHosted' in tool) return [];
  if (tool.type !== 'namespace') return [toTold(tool, undefined, field)];
  return tool.tools.map((inner, place) => toTold(inner, tool.name, `${field}.tools[${place}]`));
}

function toTold(
  tool: z.infer<typeof OwnFunction> | z.infer<typeof Custom>,
  namespace: string | undefined,
  field: string,
): ToldTool {
  const { type, name } = tool;
  const { type: _type, ...definition } = tool.type === 'custom' ? { type, ...customAsFunction(tool) } : tool;
  return {
    tool: { ...definition, name: toldName({ name, namespace }) },
    name: { type, name, ...(namespace === undefined ? {} : { namespace }) },
    field,
  };
}

function chosenFrom(
  told: readonly ToldTool[],
  choice: ResponseToolChoice | undefined,
): { readonly tools: readonly ToldTool[]; readonly choice: ToolChoice | undefined } {
  if (choice === undefined || typeof choice === 'string') return { tools: told, choice };
  if (choice.type !== 'allowed_tools') {
    const found = told.find(({ name }) => isNamed(name, choice));
    return { tools: told, choice: { name: found?.tool.name ?? choice.name } };
  }
  const tools = told.filter(({ name }) => choice.tools.some((allowed) => isNamed(name, allowed)));
  if (tools.length === 0) {
    throw fieldError('tool_choice', 'allows none of the tools. Name some of them, or leave it out.');
  }
  return { tools, choice: choice.mode ?? 'auto' };
}

/** A name alone is enough: who says the namespace means that one. */
function isNamed(tool: ToolName, asked: Readonly<Record<string, unknown>>): boolean {
  return (
    tool.name === asked.name &&
    (asked.namespace === undefined || asked.namespace === null || tool.namespace === asked.namespace)
  );
}

function repeat(tool: ResponseTools[number]): object[] {
  if ('isHosted' in tool) return [];
  if (tool.type === 'namespace') {
    return [{ ...tool, description: tool.description ?? '', tools: tool.tools.flatMap(repeat) }];
  }
  if (tool.type === 'custom') {
    return [{ ...tool, description: tool.description ?? null, format: tool.format ?? { type: 'text' } }];
  }
  const { description = null, parameters = null, strict } = tool;
  return [{ type: tool.type, name: tool.name, description, parameters, strict: strict ?? false }];
}
