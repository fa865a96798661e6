/**
 * Tools that take a text of any form instead of JSON (`custom`, as Codex' `apply_patch`): told to the model as functions of
 * one text, because a call has one form here. A grammar for the text is told in the description and not enforced.
 */
import { z } from 'zod';
import { FunctionName, type FunctionTool } from './function-tools.ts';

export const CustomTool = z.object({
  name: FunctionName,
  description: z.string().nullish(),
  format: z
    .discriminatedUnion(
      'type',
      [
        z.object({ type: z.literal('text') }),
        z.object({ type: z.literal('grammar'), syntax: z.string(), definition: z.string() }),
      ],
      'expected text or a grammar',
    )
    .nullish(),
});
export type CustomTool = z.infer<typeof CustomTool>;

export function customAsFunction({ name, description, format }: CustomTool): FunctionTool {
  const rule =
    format?.type === 'grammar' ? `The input follows this grammar (${format.syntax}):\n${format.definition}` : '';
  return {
    name,
    description: [description ?? '', rule].filter((text) => text !== '').join('\n\n'),
    parameters: {
      type: 'object',
      properties: { input: { type: 'string' } },
      required: ['input'],
      additionalProperties: false,
    },
  };
}

/** As a function's call has it in its arguments. */
export function customArguments(input: string): string {
  return JSON.stringify({ input });
}

/** The text of a call, out of its arguments; what is no such object is the text itself. */
export function customInput(given: string): string {
  try {
    const parsed: unknown = JSON.parse(given);
    if (typeof parsed === 'string') return parsed;
    if (typeof parsed === 'object' && parsed !== null && 'input' in parsed && typeof parsed.input === 'string') {
      return parsed.input;
    }
  } catch {
    // The model wrote no JSON.
  }
  return given;
}
