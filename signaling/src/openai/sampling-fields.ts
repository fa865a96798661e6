/** The fields by which every endpoint lets its client steer how tokens are drawn. */
import { type CompletionRequest, LogitBias, MeshError, ModelId } from '@tabmesh/shared';
import { z } from 'zod';
import { ECHOED_CHARS, MAX_ID_CHARS } from '../limits/limits.ts';

const penalty = z.number().min(-2).max(2).nullish();

/** `null` counts as absent everywhere: OpenAI's own clients send it. */
export const SamplingFields = z.object({
  model: z.string().nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  seed: z.int().nullish(),
  presence_penalty: penalty,
  frequency_penalty: penalty,
  logit_bias: LogitBias.nullish(),
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

export function toModelId(model: string | null | undefined): ModelId | undefined {
  if (model === null || model === undefined) return undefined;
  const parsed = ModelId.safeParse(model);
  if (!parsed.success) throw MeshError.modelNotFound(model.slice(0, ECHOED_CHARS));
  return parsed.data;
}
