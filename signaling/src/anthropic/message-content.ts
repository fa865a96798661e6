/**
 * The messages of Anthropic's API, of texts and blocks of many types, read into the turns of a conversation. What other
 * servers noted for themselves (signatures, searches that they ran) means nothing here and is passed over.
 */
import { z } from 'zod';
import { MAX_ID_CHARS, MAX_MESSAGES, MAX_TOOL_TYPE_CHARS } from '../limits/limits.ts';
import type { PastCall, Turn } from '../openai/tools/hermes.ts';
import { ToolName } from './message-tools.ts';

const TextBlock = z.object({ type: z.literal('text'), text: z.string() });
const SearchResult = z.object({
  type: z.literal('search_result'),
  title: z.string().nullish(),
  source: z.string().nullish(),
  content: z.array(TextBlock),
});
const Image = z
  .object({ type: z.literal('image') })
  .refine(() => false, 'the models of this mesh read text only: describe the image in words, or leave it out');
const Document = z.object({
  type: z.literal('document'),
  title: z.string().nullish(),
  context: z.string().nullish(),
  source: z.discriminatedUnion(
    'type',
    [
      z.object({ type: z.literal('text'), data: z.string() }),
      z.object({ type: z.literal('content'), content: z.union([z.string(), z.array(TextBlock)]) }),
    ],
    'expected a document of text; the mesh reads no PDF files, and fetches none',
  ),
});

const id = z.string().min(1).max(MAX_ID_CHARS);
const ToolUse = z.object({
  type: z.literal('tool_use'),
  id,
  name: ToolName,
  input: z.record(z.string(), z.unknown()),
});

/** Of others' tools and notes: their results were told by the model in its own words. */
const PASSED_OVER =
  /^(thinking|redacted_thinking|server_tool_use|mcp_tool_use|container_upload|tool_reference|fallback|browser_state|.+_tool_result)$/;
const PassedOver = z
  .object({ type: z.string().max(MAX_TOOL_TYPE_CHARS).regex(PASSED_OVER) })
  .transform(() => ({ type: 'passed-over' as const }));

const TOLD = [TextBlock, SearchResult, Image, Document] as const;
const ToolResult = z.object({
  type: z.literal('tool_result'),
  tool_use_id: id,
  content: textOrBlocks(TOLD).nullish(),
  is_error: z.boolean().nullish(),
});
/** What was said before, in short. */
const Compaction = z.object({ type: z.literal('compaction'), content: z.string().nullish() });

const Content = textOrBlocks([...TOLD, ToolUse, ToolResult, Compaction]);

export const Messages = z
  .array(z.object({ role: z.enum(['user', 'assistant', 'system']), content: Content }))
  .min(1)
  .max(MAX_MESSAGES);

export const System = z.union([z.string(), z.array(TextBlock)], 'expected a text or a list of text blocks').nullish();

/** `system` is what the conversation begins with. */
export function toTurns(system: z.infer<typeof System>, messages: z.infer<typeof Messages>): Turn[] {
  const parts = typeof system === 'string' ? [system] : (system ?? []).map(({ text }) => text);
  const told = parts.filter((text) => text !== '' && !BILLING.test(text)).join('\n\n');
  return [
    ...(told === '' ? [] : [{ role: 'system' as const, content: told }]),
    ...messages.flatMap(({ role, content }) => turnsOf(role, content)),
  ];
}

/** Claude Code's note to the server that it was made for; another one with each request, it would spoil every kept prefix. */
const BILLING = /^x-anthropic-billing-header:/;

function turnsOf(role: 'user' | 'assistant' | 'system', content: z.infer<typeof Content>): Turn[] {
  const turns: Turn[] = [];
  const texts: string[] = [];
  const calls: PastCall[] = [];
  for (const block of content) {
    if (block.type === 'passed-over') continue;
    if (block.type === 'tool_use')
      calls.push({ id: block.id, name: block.name, arguments: JSON.stringify(block.input) });
    else if (block.type === 'tool_result') {
      if (texts.length > 0) turns.push(saidBy(role, texts.splice(0), []));
      turns.push({ role: 'tool', callId: block.tool_use_id, content: resultOf(block) });
    } else if (block.type === 'compaction') texts.push(block.content ?? '');
    else texts.push(textOf(block));
  }
  // Results alone are a turn of their own, and an empty message is one that says nothing.
  if (texts.length > 0 || calls.length > 0 || turns.length === 0) turns.push(saidBy(role, texts, calls));
  return turns;
}

function saidBy(role: 'user' | 'assistant' | 'system', texts: readonly string[], calls: readonly PastCall[]): Turn {
  const content = texts.filter((text) => text !== '').join(role === 'assistant' ? '' : '\n\n');
  return role === 'assistant' ? { role, content, calls } : { role, content };
}

function resultOf({ content, is_error }: z.infer<typeof ToolResult>): string {
  const texts = (content ?? []).flatMap((block) => (block.type === 'passed-over' ? [] : [textOf(block)]));
  const text = texts.join('\n\n');
  return is_error === true ? `Error: ${text}` : text;
}

function textOf(block: z.infer<(typeof TOLD)[number]>): string {
  switch (block.type) {
    case 'text':
      return block.text;
    case 'search_result':
      return titled([block.title, block.source], block.content.map(({ text }) => text).join('\n\n'));
    case 'document': {
      const { source } = block;
      if (source.type === 'text') return titled([block.title, block.context], source.data);
      const { content } = source;
      const text = typeof content === 'string' ? content : content.map((part) => part.text).join('\n\n');
      return titled([block.title, block.context], text);
    }
    case 'image':
      return '';
    default:
      return block satisfies never;
  }
}

function titled(heads: readonly (string | null | undefined)[], text: string): string {
  return [...heads, text].filter((part) => (part ?? '') !== '').join('\n');
}

/**
 * A lone text is a block of one. A block of a known type is held to its form and named where it is wrong; of the others some
 * are passed over.
 */
function textOrBlocks<const Known extends readonly z.ZodObject<{ type: z.ZodLiteral<string> }>[]>(known: Known) {
  type Block = z.infer<Known[number]> | z.infer<typeof PassedOver>;
  const types = known.map((schema) => schema.shape.type.value).join(', ');
  const block = z.unknown().transform((given, context): Block => {
    const type = typeof given === 'object' && given !== null && 'type' in given ? given.type : undefined;
    const schema = known.find((one) => one.shape.type.value === type);
    const parsed = (schema ?? PassedOver).safeParse(given);
    if (parsed.success) return parsed.data as Block;
    const [issue] = parsed.error.issues;
    const message = schema && issue ? issue.message : `expected a block of the type ${types}`;
    context.issues.push({ code: 'custom', input: given, path: [...(schema && issue ? issue.path : [])], message });
    return z.NEVER;
  });
  return z.preprocess(
    (content) => (typeof content === 'string' ? [{ type: 'text', text: content }] : content),
    z.array(block, 'expected a text or a list of blocks'),
  );
}
