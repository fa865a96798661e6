/**
 * What a chat completion says of tools: functions and custom tools, or the functions of OpenAI's first API for them, of which
 * an answer calls one at most. The model is told functions only.
 */
import { z } from 'zod';
import { fieldError } from '../http/request-body.ts';
import { MAX_CHOICE_NAME_CHARS, MAX_TOOLS } from '../limits/limits.ts';
import { type CallStyle, TOOL_STYLE } from './call-style.ts';
import { CustomTool, customAsFunction } from './tools/custom-tools.ts';
import { FunctionTool, type ToolChoice, type ToolOffer, toolOffer } from './tools/function-tools.ts';

/** As chat completions write them: the fields of a kind stand under its name. */
const ChatCustomTool = CustomTool.extend({
  format: z
    .discriminatedUnion(
      'type',
      [
        z.object({ type: z.literal('text') }),
        z.object({ type: z.literal('grammar'), grammar: z.object({ syntax: z.string(), definition: z.string() }) }),
      ],
      'expected text or a grammar',
    )
    .nullish(),
});
const Tool = z.discriminatedUnion(
  'type',
  [
    z.object({ type: z.literal('function'), function: FunctionTool }),
    z.object({ type: z.literal('custom'), custom: ChatCustomTool }),
  ],
  'expected function or custom: the mesh has no tools of its own',
);

const choiceName = z.string().max(MAX_CHOICE_NAME_CHARS);
const Named = z.object({ name: choiceName });
const Chosen = z.union([
  z.object({ type: z.literal('function'), function: Named }),
  z.object({ type: z.literal('custom'), custom: Named }),
]);
const AllowedTools = z.object({
  type: z.literal('allowed_tools'),
  allowed_tools: z.object({ mode: z.enum(['auto', 'required']), tools: z.array(Chosen).max(MAX_TOOLS) }),
});

export const ToolFields = z.object({
  tools: z.array(Tool).nullish(),
  tool_choice: z
    .union(
      [z.enum(['none', 'auto', 'required']), Chosen, AllowedTools],
      "expected 'none', 'auto', 'required', {type: 'function', function: {name}} or {type: 'allowed_tools', allowed_tools: {mode, tools}}",
    )
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  functions: z.array(FunctionTool).nullish(),
  function_call: z.union([z.enum(['none', 'auto']), Named], "expected 'none', 'auto' or {name}").nullish(),
});
type ToolFields = z.infer<typeof ToolFields>;

export interface ChatTools {
  /** Undefined: the model is told of no tools. */
  readonly offer: ToolOffer | undefined;
  readonly style: CallStyle;
}

/** @throws MeshError `invalid_request` that names the field */
export function readTools(fields: ToolFields): ChatTools {
  const { tools, tool_choice, functions, function_call } = fields;
  const isLegacy = (functions ?? []).length > 0 || typeof function_call === 'object';
  if (!isLegacy || function_call === null) return { offer: offerOf(fields), style: styleOf(tools ?? []) };
  if ((tools ?? []).length > 0 || (tool_choice ?? 'none') !== 'none') {
    throw fieldError('functions', "stands beside 'tools', which took its place. Send one of the two.");
  }
  const offer = toolOffer({
    tools: functions ?? [],
    choice: function_call ?? undefined,
    parallel: false,
    fieldOf: (index) => `functions[${index}]`,
    choiceField: 'function_call',
  });
  return { offer, style: { kind: 'function' } };
}

function offerOf({ tools: given, tool_choice, parallel_tool_calls }: ToolFields): ToolOffer | undefined {
  const all = (given ?? []).map((tool, index) =>
    tool.type === 'function'
      ? { tool: tool.function, field: `tools[${index}].function` }
      : { tool: toldFunction(tool.custom), field: `tools[${index}].custom` },
  );
  if (all.length === 0 && (tool_choice ?? 'none') === 'none') return undefined;
  const { choice, allowed } = readChoice(tool_choice ?? undefined);
  const stranger = allowed?.find((name) => !all.some(({ tool }) => tool.name === name));
  if (stranger !== undefined) {
    throw fieldError('tool_choice', `allows '${stranger}', which is none of the tools. Name those that there are.`);
  }
  const tools = allowed === undefined ? all : all.filter(({ tool }) => allowed.includes(tool.name));
  return toolOffer({
    tools: tools.map(({ tool }) => tool),
    choice,
    parallel: parallel_tool_calls ?? true,
    fieldOf: (index) => tools[index]?.field ?? 'tools',
  });
}

function readChoice(choice: NonNullable<ToolFields['tool_choice']> | undefined): {
  readonly choice: ToolChoice | undefined;
  readonly allowed?: readonly string[];
} {
  if (choice === undefined || typeof choice === 'string') return { choice };
  if (choice.type !== 'allowed_tools') return { choice: { name: nameOf(choice) } };
  const { mode, tools } = choice.allowed_tools;
  return { choice: mode, allowed: tools.map(nameOf) };
}

function nameOf(chosen: z.infer<typeof Chosen>): string {
  return chosen.type === 'function' ? chosen.function.name : chosen.custom.name;
}

function styleOf(tools: readonly z.infer<typeof Tool>[]): CallStyle {
  const custom = tools.flatMap((tool) => (tool.type === 'custom' ? [tool.custom.name] : []));
  return custom.length === 0 ? TOOL_STYLE : { kind: 'tools', custom: new Set(custom) };
}

function toldFunction({ format, ...tool }: z.infer<typeof ChatCustomTool>): FunctionTool {
  return customAsFunction({
    ...tool,
    format: format?.type === 'grammar' ? { type: 'grammar', ...format.grammar } : null,
  });
}
