/**
 * The fields that several endpoints share, and what they ask of the mesh. `null` counts as absent everywhere: OpenAI's own
 * clients send it.
 */
import { type CompletionRequest, LogitBias, MeshError, ModelId } from '@tabmesh/shared';
import { z } from 'zod';
import { ECHOED_CHARS, MAX_ID_CHARS, MAX_STOP_CHARS, MAX_STOP_TEXTS, MAX_TOKENS } from '../limits/limits.ts';

const penalty = z.number().min(-2).max(2).nullish();

/** How tokens are drawn. */
export const SamplingFields = z.object({
  model: z.string().nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  seed: z.int().nullish(),
  presence_penalty: penalty,
  frequency_penalty: penalty,
  logit_bias: z.nullish(LogitBias),
  /** OpenAI's own hint that requests share a prefix: here the conversation that stays with its peer. */
  prompt_cache_key: z.string().max(MAX_ID_CHARS).nullish(),
});

/** @throws MeshError `model_not_found` for a name that no model can have */
export function toSampling(fields: z.infer<typeof SamplingFields>): Omit<CompletionRequest, 'messages'> {
  return {
    model: toModelId(fields.model),
    temperature: fields.temperature ?? undefined,
    // The mesh wants it above 0; so small a nucleus holds the likeliest token only, as OpenAI's 0 does.
    topP: fields.top_p === 0 ? 1e-6 : (fields.top_p ?? undefined),
    seed: fields.seed ?? undefined,
    // What is switched off asks nothing of an engine.
    presencePenalty: fields.presence_penalty || undefined,
    frequencyPenalty: fields.frequency_penalty || undefined,
    logitBias: Object.keys(fields.logit_bias ?? {}).length === 0 ? undefined : (fields.logit_bias ?? undefined),
    conversationId: fields.prompt_cache_key ?? undefined,
  };
}

export const MaxTokens = z.int().min(1).max(MAX_TOKENS).nullish();

const stopText = z.string().min(1).max(MAX_STOP_CHARS);
export const StopTexts = z
  .union(
    [stopText, z.array(stopText).max(MAX_STOP_TEXTS)],
    `expected a text or a list of at most ${MAX_STOP_TEXTS} texts, each of 1 to ${MAX_STOP_CHARS} characters`,
  )
  .nullish();

/** Undefined: nothing but the model's own end stops an answer. */
export function toStopTexts(stop: z.infer<typeof StopTexts>): readonly string[] | undefined {
  return typeof stop === 'string' ? [stop] : (stop ?? undefined);
}

export const StreamFields = z.object({
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
});

export function toStreaming({ stream, stream_options }: z.infer<typeof StreamFields>) {
  return { stream: stream ?? false, includeUsage: stream_options?.include_usage ?? false };
}

const text = z.string().min(1);

/** One text or several, of which none is empty. */
export function textOrTexts(most: number) {
  return z.union(
    [text, z.array(text).min(1).max(most)],
    `expected a text or a list of 1 to ${most} texts, none of them empty; token ids mean something else to every model`,
  );
}

/** One request for each choice; one seed for all would make all the same. */
export function requestForEach(
  request: CompletionRequest,
  choices: number,
): [CompletionRequest, ...CompletionRequest[]] {
  const { seed } = request;
  const others = Array.from({ length: choices - 1 }, (_, index) =>
    seed === undefined ? request : { ...request, seed: seed + index + 1 },
  );
  return [request, ...others];
}

export function toModelId(model: string | null | undefined): ModelId | undefined {
  if (model === null || model === undefined) return undefined;
  const parsed = ModelId.safeParse(model);
  if (!parsed.success) throw MeshError.modelNotFound(model.slice(0, ECHOED_CHARS));
  return parsed.data;
}
