/** An engine under test, and how the cases of its contract ask it: without vitest, because they also run in a page. */
import { MeshError } from '../errors.ts';
import type { Engine, EngineEvent, GenerationRequest } from '../ports/engine.ts';
import type { FinishReason, TokenLogprob, Usage } from '../protocol/messages.ts';

export interface EngineSubject {
  readonly engine: Engine;
  /** A user message that at temperature 0 is answered by at least 12 tokens. */
  readonly longPrompt: string;
  /** Other user messages with other answers; any length. At least two. */
  readonly prompts: readonly string[];
  /** The id of the token with which the greedy answer to `longPrompt` begins; for engines that bias tokens. */
  readonly firstTokenId?: number;
}

export interface EngineContractCase {
  /** The rule's id in `shared/SPEC.md`. */
  readonly rule: string;
  readonly title: string;
  /** Rejects with an `Error` that says what was wrong. */
  run(subject: EngineSubject): Promise<void>;
}

export interface Answer {
  readonly text: string;
  readonly counted: number;
  readonly reason: FinishReason;
  readonly usage: Usage;
  /** Of all tokens, where they were told. */
  readonly stopText: string | undefined;
  readonly logprobs: readonly TokenLogprob[];
}

export function ask(content: string, sampling: Partial<GenerationRequest> = {}): GenerationRequest {
  return {
    messages: [{ role: 'user', content }],
    maxTokens: 64,
    temperature: 0,
    topP: 1,
    stop: [],
    ...sampling,
  };
}

export function never(): AbortSignal {
  return new AbortController().signal;
}

export async function collect(engine: Engine, request: GenerationRequest): Promise<EngineEvent[]> {
  const events: EngineEvent[] = [];
  for await (const event of engine.generate(request, never())) events.push(event);
  return events;
}

export async function answer(engine: Engine, request: GenerationRequest): Promise<Answer> {
  const events = await collect(engine, request);
  const end = events.at(-1);
  if (end?.type !== 'end') throw new Error('The answer has no end.');
  let text = '';
  let counted = 0;
  const logprobs: TokenLogprob[] = [];
  for (const event of events) {
    if (event.type !== 'tokens') continue;
    text += event.text;
    counted += event.tokenCount;
    logprobs.push(...(event.logprobs ?? []));
  }
  return { text, counted, reason: end.reason, usage: end.usage, stopText: end.stopText, logprobs };
}

export async function consume(events: AsyncIterable<EngineEvent>, onTokens: () => void = () => {}): Promise<void> {
  for await (const event of events) if (event.type === 'tokens') onTokens();
}

/** Takes every slot at once: a slot that is still held would make a request wait or fail. */
export async function ensureAllSlotsFree({ engine, prompts, longPrompt }: EngineSubject): Promise<void> {
  const request = ask(prompts[0] ?? longPrompt, { maxTokens: 4 });
  await Promise.all(Array.from({ length: engine.model.slots }, () => answer(engine, request)));
}

export async function failureOf(running: Promise<unknown>): Promise<unknown> {
  try {
    await running;
  } catch (error) {
    return error;
  }
  throw new Error('It should have failed, but it ended well.');
}

export async function ensureCancelled(running: Promise<unknown>): Promise<void> {
  const error = await failureOf(running);
  ensure(MeshError.is(error, 'cancelled'), `It should be cancelled, but failed with ${describe(error)}.`);
}

export function describe(error: unknown): string {
  return MeshError.is(error) ? `${error.code}: ${error.message}` : String(error);
}

export function ensure(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise);
}

export function ensureEqual(actual: unknown, expected: unknown, what: string): void {
  ensure(actual === expected, `${what} is ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}.`);
}
