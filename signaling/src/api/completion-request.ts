/**
 * OpenAI's chat-completion body, read into what the mesh is asked. Fields that nobody knows are ignored, since clients
 * send many; fields that would change the answer and are not built yet are refused by name.
 */
import { type ChatMessage, type CompletionRequest, MeshError, ModelId } from '@tabmesh/shared';
import { z } from 'zod';

export interface ChatCompletionCall {
  readonly completion: CompletionRequest;
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

const TextPart = z.object({ type: z.literal('text'), text: z.string() });

/** `null` counts as absent everywhere: OpenAI's own clients send it. */
const Body = z.object({
  model: z.string().nullish(),
  messages: z
    .array(
      z.object({
        role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
        content: z.union([z.string(), z.array(TextPart)], 'expected a text or a list of text parts').nullish(),
      }),
    )
    .min(1)
    .max(10_000),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: z.int().min(1).max(10_000_000).nullish(),
  max_completion_tokens: z.int().min(1).max(10_000_000).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  seed: z.int().nullish(),
  stop: z
    .union(
      [z.string().min(1).max(1024), z.array(z.string().min(1).max(1024)).max(16)],
      'expected a text or a list of at most 16 texts, each of 1 to 1024 characters',
    )
    .nullish(),
  /** OpenAI's own hint that requests share a prefix: here the conversation that stays with its peer. */
  prompt_cache_key: z.string().max(256).nullish(),
});

/** The values that ask for nothing; any other value of these fields is a feature that does not exist yet. */
const NOT_BUILT_YET: Readonly<Record<string, (value: unknown) => boolean>> = {
  tools: isEmpty,
  tool_choice: (value) => value === 'none' || value === 'auto',
  functions: isEmpty,
  function_call: (value) => value === 'none' || value === 'auto',
  response_format: (value) => typeof value === 'object' && value !== null && 'type' in value && value.type === 'text',
  n: (value) => value === 1,
  logprobs: (value) => value === false,
  top_logprobs: (value) => value === 0,
  logit_bias: isEmpty,
  modalities: (value) => Array.isArray(value) && value.every((modality) => modality === 'text'),
  audio: () => false,
};

/** @throws MeshError `invalid_request` that names the field, `model_not_found` for a name that no model can have. */
export function toCompletionRequest(payload: unknown): ChatCompletionCall {
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) {
    throw new MeshError('invalid_request', 'The body must be a JSON object with at least the field messages.');
  }
  refuseUnbuilt(payload);
  const parsed = Body.safeParse(payload);
  if (!parsed.success) throw invalidField(parsed.error.issues[0]);
  const body = parsed.data;
  return {
    completion: {
      model: toModelId(body.model),
      messages: body.messages.map(toChatMessage),
      maxTokens: body.max_completion_tokens ?? body.max_tokens ?? undefined,
      temperature: body.temperature ?? undefined,
      // The mesh wants it above 0; so small a nucleus holds the likeliest token only, as OpenAI's 0 does.
      topP: body.top_p === 0 ? 1e-6 : (body.top_p ?? undefined),
      seed: body.seed ?? undefined,
      stop: typeof body.stop === 'string' ? [body.stop] : (body.stop ?? undefined),
      conversationId: body.prompt_cache_key ?? undefined,
    },
    stream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
  };
}

function refuseUnbuilt(body: object): void {
  for (const [field, value] of Object.entries(body)) {
    const asksForNothing = Object.hasOwn(NOT_BUILT_YET, field) ? NOT_BUILT_YET[field] : undefined;
    if (asksForNothing === undefined || value === null || asksForNothing(value)) continue;
    throw new MeshError('invalid_request', `The field '${field}' asks for what this mesh can't do yet. Leave it out.`, {
      details: { param: field },
    });
  }
}

function toChatMessage({ role, content }: z.infer<typeof Body>['messages'][number]): ChatMessage {
  return {
    role: role === 'developer' ? 'system' : role,
    content: typeof content === 'string' ? content : (content ?? []).map((part) => part.text).join(''),
  };
}

function toModelId(model: string | null | undefined): ModelId | undefined {
  if (model === null || model === undefined) return undefined;
  const parsed = ModelId.safeParse(model);
  if (!parsed.success) throw MeshError.modelNotFound(model.slice(0, 200));
  return parsed.data;
}

function invalidField(issue: z.core.$ZodIssue | undefined): MeshError {
  const param = pathOf(issue?.path ?? []);
  return new MeshError(
    'invalid_request',
    `The field '${param}' is wrong: ${issue?.message ?? 'unknown'}. Correct it and send the request again.`,
    { details: { param } },
  );
}

/** `messages[0].content`, as OpenAI writes it. */
function pathOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? String(key) : `${text}.${String(key)}`;
  }, '');
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
