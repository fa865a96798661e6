/**
 * The four things that node-llama-cpp does inside and offers nobody, in one place: its version is pinned, and where one of
 * them is gone the engine goes without.
 */
import type {
  Llama,
  LlamaContextSequence,
  LlamaGrammarEvaluationState,
  LlamaModel,
  Token,
  TokenBias,
} from 'node-llama-cpp';

interface CopyingSequence {
  /** Makes this sequence the first tokens of the other one; false when it could not, and its state is then in doubt. */
  _copyStateFromOtherSequence(other: LlamaContextSequence, tokenCount: number): Promise<boolean>;
}

interface AcceptingSampler {
  /** Throws when the token does not fit. */
  acceptGrammarEvaluationStateToken(state: unknown, token: Token): void;
}

/** Copies the first tokens of another sequence. Returns false, and leaves this one empty, where that can't be done. */
export async function copyBeginning(
  sequence: LlamaContextSequence,
  other: LlamaContextSequence,
  tokenCount: number,
): Promise<boolean> {
  if (!canCopy(sequence)) return false;
  if (await sequence._copyStateFromOtherSequence(other, tokenCount)) return true;
  await sequence.clearHistory();
  return false;
}

/** Recurrent models and those with a sliding window keep no state that could be cut to a beginning. */
export function canCopy(sequence: LlamaContextSequence): sequence is LlamaContextSequence & CopyingSequence {
  return '_copyStateFromOtherSequence' in sequence && !sequence.needsCheckpoints;
}

/** Moves the state of a grammar past tokens; undefined where that can't be done. The function throws what doesn't fit. */
export function grammarFeeder(
  model: LlamaModel,
): ((state: LlamaGrammarEvaluationState, token: Token) => void) | undefined {
  const sampler = property(property(model.llama, '_bindings'), 'AddonSampler');
  if (!accepts(sampler)) return undefined;
  return (state, token) => sampler.acceptGrammarEvaluationStateToken(property(state, '_state'), token);
}

/** A model that can only cut texts into tokens, without its weights. */
export function loadVocabulary(llama: Llama, modelPath: string): Promise<LlamaModel> {
  const options = { modelPath, vocabOnly: true };
  return llama.loadModel(options);
}

/** `TokenBias.set` passes over the tokens that end an answer, which people do want to bias. */
export function biasAnyToken(bias: TokenBias, token: Token, logit: number): void {
  const biases = property(bias, '_biases');
  if (biases instanceof Map) biases.set(token, logit);
  else bias.set(token, { logit });
}

function accepts(sampler: unknown): sampler is AcceptingSampler {
  return typeof property(sampler, 'acceptGrammarEvaluationStateToken') === 'function';
}

function property(owner: unknown, name: string): unknown {
  const holder = typeof owner === 'object' || typeof owner === 'function' ? owner : null;
  return holder === null ? undefined : Reflect.get(holder, name);
}
