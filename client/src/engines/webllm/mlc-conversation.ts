/**
 * Writes a conversation out as WebLLM does, by the `conv_template` of an MLC model: the pieces that its chat call hands to
 * the tokenizer one by one. Its oddities are kept, since an answer is to go on behind the very prompt that it began with.
 */
import { MeshError } from '@tabmesh/shared';
import { z } from 'zod/mini';

export interface ConversationMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** WebLLM puts a colon where a template has nothing between a role and what it says. */
const Separator = z.pipe(
  z.nullish(z.string()),
  z.transform((text) => text ?? ': '),
);

export const ConversationTemplate = z.object({
  system_template: z.string(),
  system_message: z.string(),
  system_prefix_token_ids: z.nullish(z.array(z.int())),
  render_empty_system_message: z.nullish(z.boolean()),
  /** Where it is false, as in Llama 2's, a message is joined to the system's and cut into other tokens than on its own. */
  add_role_after_system_message: z.nullish(z.literal(true)),
  roles: z.object({ user: z.string(), assistant: z.string() }),
  role_templates: z.optional(z.object({ user: z.optional(z.string()), assistant: z.optional(z.string()) })),
  role_content_sep: Separator,
  role_empty_sep: Separator,
  seps: z.array(z.string()).check(z.minLength(1)),
});
export type ConversationTemplate = z.infer<typeof ConversationTemplate>;

/** The last piece is what an answer begins behind. @throws MeshError `invalid_request` */
export function conversationPieces(
  template: ConversationTemplate,
  messages: readonly ConversationMessage[],
): readonly string[] {
  const { roles, seps, role_content_sep, role_empty_sep } = template;
  const [first] = messages;
  const turns = first?.role === 'system' ? messages.slice(1) : messages;
  if (turns.at(-1)?.role !== 'user') throw wrongOrder();
  const system = systemPiece(template, first?.role === 'system' ? first.content : template.system_message);
  return [
    ...(system === '' ? [] : [system]),
    ...turns.map(({ role, content }, index) => {
      if (role === 'system') throw wrongOrder();
      const text = filled(template.role_templates?.[role], `{${role}_message}`, content);
      return roles[role] + role_content_sep + text + seps[index % seps.length];
    }),
    roles.assistant + role_empty_sep,
  ];
}

export function wrongOrder(cause?: unknown): MeshError {
  return new MeshError(
    'invalid_request',
    'WebLLM takes a system message only as the first, and a user message as the last. Change the order of the messages.',
    { cause },
  );
}

function systemPiece({ system_template, render_empty_system_message }: ConversationTemplate, content: string): string {
  if (content === '' && render_empty_system_message === false) return '';
  return system_template.replace('{system_message}', content);
}

/** `$&` and its like in a message have a meaning here, as they have in WebLLM. */
function filled(template: string | undefined, placeholder: string, content: string): string {
  return template?.replace(placeholder, content).replace('{function_string}', '') ?? content;
}
