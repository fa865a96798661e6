/**
 * Whether a model is to think before it answers: OpenAI's effort, of which a chat template knows on and off only, and the
 * field in which vLLM, SGLang and llama-server hand a word to the template itself.
 */
import { z } from 'zod';

export const ThinkingFields = z.object({
  reasoning_effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh']).nullish(),
  /** Other words would change a template's text in ways that no peer could follow. */
  chat_template_kwargs: z.strictObject({ enable_thinking: z.boolean().nullish() }).nullish(),
});

/** Undefined: as the model's template has it. */
export function toThinking({
  reasoning_effort,
  chat_template_kwargs,
}: z.infer<typeof ThinkingFields>): boolean | undefined {
  const told = chat_template_kwargs?.enable_thinking;
  if (told !== null && told !== undefined) return told;
  if (reasoning_effort === null || reasoning_effort === undefined) return undefined;
  return reasoning_effort !== 'none' && reasoning_effort !== 'minimal';
}
