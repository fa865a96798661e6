/** What a request asks of an engine beyond text, so that only peers whose engine can do it are candidates. */
import { MeshError } from '../errors.ts';
import type { ModelFeature, ServedModel } from '../protocol/announcement.ts';
import type { JobParameters } from '../protocol/messages.ts';

type Extras = Partial<
  Pick<JobParameters, 'responseFormat' | 'topLogprobs' | 'logitBias' | 'presencePenalty' | 'frequencyPenalty'>
>;

/** The request's own name of each, for the refusal. */
const FIELDS: Partial<Record<ModelFeature, string>> = {
  json: 'response_format',
  logprobs: 'logprobs',
  'logit-bias': 'logit_bias',
  penalties: 'presence_penalty',
  embeddings: 'model',
};

/** The fields that were given. */
export function extrasOf(request: { readonly [Key in keyof Extras]: Extras[Key] | undefined }): Extras {
  const { responseFormat, topLogprobs, logitBias, presencePenalty, frequencyPenalty } = request;
  return {
    ...(responseFormat === undefined ? {} : { responseFormat }),
    ...(topLogprobs === undefined ? {} : { topLogprobs }),
    ...(logitBias === undefined ? {} : { logitBias }),
    ...(presencePenalty === undefined ? {} : { presencePenalty }),
    ...(frequencyPenalty === undefined ? {} : { frequencyPenalty }),
  };
}

export function featuresNeeded({
  responseFormat,
  topLogprobs,
  logitBias = {},
  presencePenalty = 0,
  frequencyPenalty = 0,
}: Extras): ModelFeature[] {
  const features: ModelFeature[] = [];
  if (responseFormat !== undefined) features.push('json');
  if (topLogprobs !== undefined) features.push('logprobs');
  if (Object.keys(logitBias).length > 0) features.push('logit-bias');
  if (presencePenalty !== 0 || frequencyPenalty !== 0) features.push('penalties');
  return features;
}

export function hasFeatures(served: Pick<ServedModel, 'features'>, features: readonly ModelFeature[]): boolean {
  return features.every((feature) => served.features.includes(feature));
}

/** Peers serve the model, but none of them can do this. */
export function nobodyCan(feature: ModelFeature, model: string): MeshError {
  return new MeshError(
    'invalid_request',
    `No peer that serves '${model}' can do '${feature}' right now. Leave it out, or choose another model.`,
    { details: { param: FIELDS[feature] ?? 'model' } },
  );
}
