/**
 * Tokens with their probabilities, for who asks: of the model's own distribution, with biases and penalties, before
 * temperature and filters, as OpenAI tells them. node-llama-cpp shows that distribution only where it draws greedily, so the
 * draw above temperature 0 is made here, by llama.cpp's rules. With a grammar it is the other way round: llama.cpp draws, and
 * what is told are the tokens that the grammar (and, above temperature 0, the filters) let through.
 */
import type { TokenLogprob } from '@tabmesh/shared';
import type { LlamaContextSequence, LlamaModel, Token } from 'node-llama-cpp';
import { MIN_P, type Sampling, TOP_K } from './llama-sampling.ts';
import type { TokenTexts } from './llama-token-texts.ts';

export interface NextToken {
  readonly token: Token;
  readonly likelihood?: TokenLogprob;
}

export interface Telling {
  readonly model: LlamaModel;
  readonly sampling: Sampling;
  readonly texts: TokenTexts;
  /** How many of the likeliest tokens to tell. */
  readonly topCount: number;
  /** All tokens so far, those to evaluate included. */
  readonly before: readonly Token[];
}

/** Evaluates `tokens`, then goes on with what is drawn until the model ends its answer. */
export function tellingTokens(
  sequence: LlamaContextSequence,
  tokens: readonly Token[],
  telling: Telling,
): AsyncGenerator<NextToken, void, undefined> {
  const { grammarEvaluationState } = telling.sampling;
  return grammarEvaluationState === undefined
    ? drawnHere(sequence, tokens, telling)
    : drawnByGrammar(sequence, tokens, telling);
}

/** A natural logarithm that JSON can hold. */
const LEAST_LOGPROB = -9999;

async function* drawnHere(
  sequence: LlamaContextSequence,
  tokens: readonly Token[],
  telling: Telling,
): AsyncGenerator<NextToken, void, undefined> {
  const { model, sampling, topCount } = telling;
  const { temperature, topP, repeatPenalty, tokenBias } = sampling;
  const random = randomOf(sampling.seed);
  const describe = describer(telling);
  const generateNext = {
    token: true,
    logits: {
      filter: { tokens: [], includeSelected: true, includeTop: Math.max(topCount, temperature > 0 ? TOP_K : 1) },
    },
    totalLogitWeight: true,
    options: {
      temperature: 0,
      ...(repeatPenalty === undefined ? {} : { repeatPenalty }),
      ...(tokenBias === undefined ? {} : { tokenBias }),
    },
  };
  let input = [...tokens];
  for (;;) {
    const last = input.at(-1);
    if (last === undefined) return;
    const results = await sequence.controlledEvaluate([...input.slice(0, -1), [last, { generateNext }]]);
    const { token: likeliest, logits = new Map<Token, number>(), totalLogitWeight = 1 } = results.at(-1)?.next ?? {};
    if (typeof likeliest !== 'number') throw new Error('llama.cpp drew no token');
    const ranked = Array.from(logits).sort((left, right) => right[1] - left[1]);
    const total = (ranked[0]?.[1] ?? 0) + Math.log(totalLogitWeight);
    const token = temperature > 0 ? draw(ranked, { temperature, topP }, random) : likeliest;
    if (model.isEogToken(token)) return;
    const logprobs = ranked.map(([one, logit]): [Token, number] => [one, logit - total]);
    yield { token, likelihood: describe(token, logprobs) };
    input = [token];
  }
}

async function* drawnByGrammar(
  sequence: LlamaContextSequence,
  tokens: readonly Token[],
  telling: Telling,
): AsyncGenerator<NextToken, void, undefined> {
  const { temperature } = telling.sampling;
  const describe = describer(telling);
  // What was drawn at a temperature is told at temperature 1.
  const power = temperature > 0 ? temperature : 1;
  for await (const drawn of sequence.evaluateWithMetadata([...tokens], { probabilities: true }, telling.sampling)) {
    const { token, probabilities } = drawn;
    let sum = 0;
    for (const probability of probabilities.values()) sum += probability ** power;
    const logprobs: [Token, number][] = [];
    for (const [one, probability] of probabilities) {
      if (one === token || (logprobs.length < telling.topCount + 1 && probability > 0)) {
        logprobs.push([one, Math.log(probability ** power / sum)]);
      }
    }
    yield { token, likelihood: describe(token, logprobs) };
  }
}

/** Remembers what was said, because a token's text depends on those before it. */
function describer({ texts, topCount, before }: Telling) {
  let said = before.slice(-3);
  return (token: Token, logprobs: readonly (readonly [Token, number])[]): TokenLogprob => {
    const one = ([id, logprob]: readonly [Token, number]) => ({
      ...texts.of(id, said),
      logprob: Math.min(0, Math.max(LEAST_LOGPROB, logprob)),
    });
    const own = logprobs.find(([id]) => id === token) ?? [token, LEAST_LOGPROB];
    const told = { ...one(own), top: logprobs.slice(0, topCount).map(one) };
    said = [...said, token].slice(-3);
    return told;
  };
}

/** llama.cpp's chain: the 40 likeliest, of those the ones that make up `topP`, none too far below the best, then the draw. */
function draw(
  ranked: readonly (readonly [Token, number])[],
  { temperature, topP }: { readonly temperature: number; readonly topP: number },
  random: () => number,
): Token {
  const [best] = ranked;
  if (best === undefined) throw new Error('llama.cpp told no token');
  const likely = ranked.slice(0, TOP_K).map(([token, logit]) => ({ token, below: logit - best[1] }));
  const whole = likely.reduce((sum, { below }) => sum + Math.exp(below), 0);
  let covered = 0;
  const kept = likely.filter(({ below }) => {
    const wanted = covered < topP && below >= Math.log(MIN_P);
    covered += Math.exp(below) / whole;
    return wanted;
  });
  const weights = kept.map(({ below }) => Math.exp(below / temperature));
  let left = random() * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [index, { token }] of kept.entries()) {
    left -= weights[index] ?? 0;
    if (left < 0) return token;
  }
  return best[0];
}

/** Mulberry32: 32 bits of state, as many as llama.cpp takes for a seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
