/**
 * JSON behind thoughts: a model that thinks does so without a grammar, and from the end of its thoughts on the grammar holds.
 * That it thinks is written in front of the answer (`<think>`), so that another engine which goes on with it knows, whoever
 * began it.
 */
import { type GenerationRequest, MeshError, ThoughtSplitter } from '@tabmesh/shared';
import { NO_THOUGHT, THOUGHT_OPENED, type Thinking } from '@tabmesh/shared/chat-template';
import type { LlamaModel, Token } from 'node-llama-cpp';
import type { NextToken } from './llama-likelihoods.ts';
import { TokenDecoder } from './token-decoder.ts';

/** How a request's prompt is to end, and what stands behind it already. */
export interface AnswerPlan {
  readonly thinking: Thinking;
  /** What is to be read as tokens of the answer. */
  readonly beginning: string;
}

export function planOf({ responseFormat, thinking, continues }: GenerationRequest): AnswerPlan {
  const beginning = continues?.text ?? '';
  if (responseFormat === undefined) return { thinking, beginning };
  // An engine that can't think first has begun it, or has been told not to.
  const isThought = continues === undefined ? thinking !== false : beginning.startsWith(THOUGHT_OPENED);
  if (!isThought) return { thinking: 'never', beginning };
  return { thinking: 'opened', beginning: beginning.slice(THOUGHT_OPENED.length) };
}

/** Where in an answer's tokens the grammar's own begin; undefined: it is still in its thoughts. */
export function endOfThoughts(
  model: LlamaModel,
  prompt: readonly Token[],
  begun: readonly Token[],
): number | undefined {
  const thoughts = new Thoughts(model, prompt);
  let end: number | undefined;
  for (const [index, token] of begun.entries()) {
    thoughts.push(token);
    if (thoughts.hasAnswer) return end ?? index;
    if (!thoughts.isThought) end = index + 1;
  }
  return end;
}

export interface ThoughtsFirst {
  readonly model: LlamaModel;
  /** Prompt and beginning, which ends in a thought. */
  readonly known: readonly Token[];
  readonly begun: readonly Token[];
  free(): AsyncGenerator<NextToken, void, undefined>;
  /** @param said since `known` */
  constrained(said: readonly Token[]): AsyncGenerator<NextToken, void, undefined>;
}

export async function* thoughtsFirst({
  model,
  known,
  begun,
  free,
  constrained,
}: ThoughtsFirst): AsyncGenerator<NextToken, void, undefined> {
  const thoughts = new Thoughts(model, known.slice(0, known.length - begun.length));
  for (const token of begun) thoughts.push(token);
  const said: Token[] = [];
  for await (const next of free()) {
    said.push(next.token);
    thoughts.push(next.token);
    yield next;
    if (!thoughts.isThought) break;
  }
  // It would have ended without an answer.
  for (const token of thoughts.isThought ? model.tokenize(NO_THOUGHT, false, 'trimLeadingSpace') : []) {
    said.push(token);
    yield { token };
  }
  yield* constrained(said);
}

/** Behind a prompt that opens a thought. */
class Thoughts {
  hasAnswer = false;
  readonly #decoder: TokenDecoder;
  readonly #splitter = new ThoughtSplitter({ promptOpensThought: true });

  constructor(model: LlamaModel, prompt: readonly Token[]) {
    this.#decoder = new TokenDecoder(model.detokenize, prompt);
  }

  get isThought(): boolean {
    return this.#splitter.isThinking;
  }

  push(token: Token): void {
    const { answer } = this.#splitter.push(this.#decoder.push(token)?.text ?? '');
    this.hasAnswer ||= answer !== '';
  }
}

/** @throws MeshError `unsupported` where thoughts were begun and this model has none */
export function checkThoughts(
  { thinking }: AnswerPlan,
  continues: object | undefined,
  promptOpensThought: boolean,
): void {
  if (thinking === 'opened' && continues !== undefined && !promptOpensThought) {
    throw MeshError.unsupportedFeature('continue');
  }
}
