/** What a request asks of the choice of each token, in node-llama-cpp's words. */
import { randomInt } from 'node:crypto';
import { type GenerationRequest, MeshError } from '@tabmesh/shared';
import {
  type LlamaContextSequenceRepeatPenalty,
  type LlamaGrammarEvaluationState,
  type LlamaModel,
  type SequenceEvaluateOptions,
  type Token,
  TokenBias,
} from 'node-llama-cpp';
import { biasAnyToken } from './llama-internals.ts';

/** llama.cpp's own defaults, so that a tab and a native peer draw from the same distribution. */
export const TOP_K = 40;
export const MIN_P = 0.05;

/** llama.cpp takes 32 bits and reads all ones as 'draw one'. */
const SEED_COUNT = 0xffff_ffff;

export type Sampling = SequenceEvaluateOptions &
  Required<Pick<SequenceEvaluateOptions, 'temperature' | 'topP' | 'seed'>>;

export interface SamplingState {
  readonly model: LlamaModel;
  /** Ids of the vocabulary are below it. */
  readonly vocabularySize: number;
  readonly grammar: LlamaGrammarEvaluationState | undefined;
  /** The tokens of the answer so far, which grow with it. */
  readonly answered: Token[];
  /** How many those will be at most. */
  readonly mostAnswered: number;
}

/** @throws MeshError `invalid_request` when a bias is for a token that the model does not have. */
export function samplingOf(request: GenerationRequest, state: SamplingState): Sampling {
  const { grammar } = state;
  const repeatPenalty = penaltyOf(request, state);
  const tokenBias = biasOf(request, state);
  return {
    temperature: request.temperature,
    topP: request.topP,
    topK: TOP_K,
    minP: MIN_P,
    seed: seedOf(request),
    ...(grammar === undefined ? {} : { grammarEvaluationState: grammar }),
    ...(repeatPenalty === undefined ? {} : { repeatPenalty }),
    ...(tokenBias === undefined ? {} : { tokenBias }),
  };
}

function seedOf({ seed }: GenerationRequest): number {
  if (seed === undefined) return randomInt(SEED_COUNT);
  return ((seed % SEED_COUNT) + SEED_COUNT) % SEED_COUNT;
}

/** OpenAI's: by how often a token was said in this answer, and by whether it was. */
function penaltyOf(
  { presencePenalty = 0, frequencyPenalty = 0 }: GenerationRequest,
  { answered, mostAnswered }: SamplingState,
): LlamaContextSequenceRepeatPenalty | undefined {
  if (presencePenalty === 0 && frequencyPenalty === 0) return undefined;
  return {
    punishTokens: () => answered,
    maxPunishTokens: mostAnswered,
    penalty: 1,
    presencePenalty,
    frequencyPenalty,
  };
}

function biasOf(
  { logitBias = {} }: GenerationRequest,
  { model, vocabularySize }: SamplingState,
): TokenBias | undefined {
  const biases = Object.entries(logitBias);
  if (biases.length === 0) return undefined;
  const bias = TokenBias.for(model);
  for (const [id, logit] of biases) {
    const token = Number(id);
    if (!isToken(token, vocabularySize)) {
      throw new MeshError(
        'invalid_request',
        `'logit_bias' names token ${id}, but the ids of this model end at ${vocabularySize - 1}. Leave it out.`,
        { details: { param: 'logit_bias' } },
      );
    }
    biasAnyToken(bias, token, logit);
  }
  return bias;
}

function isToken(id: number, vocabularySize: number): id is Token {
  return Number.isInteger(id) && id >= 0 && id < vocabularySize;
}
