/**
 * Whole prompts as text, for WebLLM's raw completion: it knows no conversation and no tokens that a conversation begins
 * with, and hands the text to the tokenizer at once. That gives the chat call's tokens only where every border between its
 * pieces is one for the tokenizer too, and where the tokens of a text don't depend on what stands before them. Models of
 * which this can't be said (Llama 2, Mistral 7B and Phi 3 with their tokenizers of SentencePiece) have no prompts.
 */
import { z } from 'zod/mini';
import { type ConversationMessage, ConversationTemplate, conversationPieces } from './mlc-conversation.ts';
import type { MlcModel } from './mlc-model.ts';

export interface MlcPrompts {
  /** @throws MeshError `invalid_request` */
  write(messages: readonly ConversationMessage[]): string;
  /** Tokens of it that the chat call does not count. */
  readonly uncountedTokens: number;
}

/** To be called when WebLLM has loaded the model: it has the tokenizer in its cache then. */
export async function readMlcPrompts({ config, folderUrl }: MlcModel): Promise<MlcPrompts | undefined> {
  const { tokenizer_files } = config;
  // WebLLM takes this one when it is listed.
  if (!Array.isArray(tokenizer_files) || !tokenizer_files.includes('tokenizer.json')) return undefined;
  const cached = await caches.match(new URL('tokenizer.json', folderUrl).href);
  const tokenizer: unknown = await cached?.json().catch(() => undefined);
  return mlcPrompts(config, tokenizer);
}

/** `config` is an `mlc-chat-config.json`, `tokenizer` a `tokenizer.json` of Hugging Face's. */
export function mlcPrompts(config: MlcModel['config'], tokenizer: unknown): MlcPrompts | undefined {
  const template = Template.safeParse(config).data;
  const parsed = Tokenizer.safeParse(tokenizer).data;
  if (template === undefined || parsed === undefined || !isEven(parsed)) return undefined;
  const marks = parsed.added_tokens.filter(({ single_word, normalized }) => !single_word && !normalized);
  if (!isCutByMarks(template, marks)) return undefined;
  const prefix: string[] = [];
  for (const id of template.system_prefix_token_ids ?? []) {
    const mark = marks.find((one) => one.id === id && !one.rstrip);
    if (mark === undefined) return undefined;
    prefix.push(mark.content);
  }
  return {
    write: (messages) => [...prefix, ...conversationPieces(template, messages)].join(''),
    uncountedTokens: prefix.length,
  };
}

/** WebLLM lets `conv_config` override single fields. */
const Template = z.pipe(
  z.pipe(
    z.object({
      conv_template: z.record(z.string(), z.unknown()),
      conv_config: z.optional(z.record(z.string(), z.unknown())),
    }),
    z.transform(({ conv_template, conv_config }) => ({ ...conv_template, ...conv_config })),
  ),
  ConversationTemplate,
);

/** A token that is looked for in the text before all else, so that the text is cut there. */
const Mark = z.object({
  id: z.int(),
  content: z.string().check(z.minLength(1)),
  single_word: z.boolean(),
  lstrip: z.boolean(),
  rstrip: z.boolean(),
  normalized: z.boolean(),
});

const Step = z.object({ type: z.string(), add_prefix_space: z.optional(z.boolean()) });

const Steps = z.pipe(
  z.union([
    z.pipe(
      z.null(),
      z.transform(() => []),
    ),
    z.pipe(
      z.object({ type: z.literal('Sequence'), normalizers: z.array(Step) }),
      z.transform(({ normalizers }) => normalizers),
    ),
    z.pipe(
      z.object({ type: z.literal('Sequence'), pretokenizers: z.array(Step) }),
      z.transform((one) => one.pretokenizers),
    ),
    z.pipe(
      z.object({ type: z.literal('Sequence'), decoders: z.array(Step) }),
      z.transform(({ decoders }) => decoders),
    ),
    z.pipe(
      Step,
      z.transform((step) => [step]),
    ),
  ]),
  z.transform((steps): readonly z.infer<typeof Step>[] => steps),
);

const Tokenizer = z.object({
  added_tokens: z.array(Mark),
  normalizer: Steps,
  pre_tokenizer: Steps,
  decoder: Steps,
});

/** Steps that do the same to a text wherever it stands. Others put a space in front of the first word, or take it away. */
const EVEN_STEPS = {
  normalizer: ['NFC', 'Replace'],
  pre_tokenizer: ['ByteLevel', 'Split', 'Digits'],
  decoder: ['ByteLevel', 'Replace', 'ByteFallback', 'Fuse'],
} as const;

function isEven(tokenizer: z.infer<typeof Tokenizer>): boolean {
  const { normalizer, pre_tokenizer, decoder } = EVEN_STEPS;
  return (
    tokenizer.normalizer.every(({ type }) => isOneOf(normalizer, type)) &&
    tokenizer.pre_tokenizer.every((step) => isOneOf(pre_tokenizer, step.type) && step.add_prefix_space !== true) &&
    // Without a decoder the tokens of a text are put together with spaces.
    tokenizer.decoder.length > 0 &&
    tokenizer.decoder.every(({ type }) => isOneOf(decoder, type))
  );
}

function isCutByMarks({ roles, role_empty_sep }: ConversationTemplate, marks: readonly z.infer<typeof Mark>[]) {
  const header = (roles.assistant + role_empty_sep).trimEnd();
  return (
    [roles.user, roles.assistant].every((role) =>
      marks.some(({ lstrip, content }) => !lstrip && role.startsWith(content)),
    ) &&
    // Such a mark would swallow the blanks that an answer begins with.
    !marks.some(({ rstrip, content }) => rstrip && header.endsWith(content))
  );
}

function isOneOf(known: readonly string[], type: string): boolean {
  return known.includes(type);
}
