/** From OpenAI's stream of a provider to the events that the mesh gives, so that a reader can't tell them apart. */
import type { Clock, CompletionRequest, FinishReason, Usage } from '@tabmesh/shared';
import { z } from 'zod';
import type { ContentEvent } from '../answers/opened-answer.ts';
import { MAX_TOKENS } from '../limits/limits.ts';
import { providerFailed } from './provider-request.ts';

/** `conversationId` stays here: it would let the provider tell users apart. */
export function providerBody(request: CompletionRequest, model: string): object {
  return {
    model,
    messages: request.messages.map(({ role, content }) => ({ role, content })),
    max_tokens: request.maxTokens,
    temperature: request.temperature,
    top_p: request.topP,
    seed: request.seed,
    stop: request.stop,
    stream: true,
    stream_options: { include_usage: true },
  };
}

const count = z.int().min(0).max(MAX_TOKENS);

const Chunk = z.object({
  choices: z
    .array(
      z.object({
        delta: z.object({ content: z.string().nullish(), reasoning_content: z.string().nullish() }).nullish(),
        finish_reason: z.string().nullish(),
      }),
    )
    .nullish(),
  usage: z
    .object({
      prompt_tokens: count,
      completion_tokens: count,
      prompt_tokens_details: z.object({ cached_tokens: count.nullish() }).nullish(),
    })
    .nullish(),
  error: z.unknown().optional(),
});
type Chunk = z.infer<typeof Chunk>;

/** @throws MeshError `upstream_failed` for what is no such stream, and for one that stops without an end. */
export async function* answerOf(
  data: AsyncIterable<string>,
  clock: Clock,
): AsyncGenerator<ContentEvent, void, undefined> {
  const startedAtMs = clock.monotonicMs();
  let ttftMs: number | undefined;
  let reason: FinishReason | undefined;
  // Zeros for a provider that counts nothing: its chunks are no tokens.
  let usage: Usage = { promptTokens: 0, completionTokens: 0, cachedTokens: 0 };
  for await (const line of data) {
    if (line === '[DONE]') {
      reason ??= 'stop';
      break;
    }
    const chunk = readChunk(line);
    if (chunk.usage) usage = usageFrom(chunk.usage);
    const [choice] = chunk.choices ?? [];
    const thought = choice?.delta?.reasoning_content ?? '';
    if (thought !== '') {
      ttftMs ??= clock.monotonicMs() - startedAtMs;
      yield { type: 'tokens', text: thought, tokenCount: 1, thought: true };
    }
    const text = choice?.delta?.content ?? '';
    if (text !== '') {
      ttftMs ??= clock.monotonicMs() - startedAtMs;
      yield { type: 'tokens', text, tokenCount: 1 };
    }
    if (choice?.finish_reason) reason = choice.finish_reason === 'length' ? 'length' : 'stop';
  }
  if (reason === undefined) throw providerFailed('its answer stopped without an end');
  yield { type: 'end', reason, usage, ttftMs: ttftMs ?? clock.monotonicMs() - startedAtMs, tokensPerSecond: null };
}

function readChunk(line: string): Chunk {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    throw providerFailed('it sent what is no JSON');
  }
  const { data } = Chunk.safeParse(json);
  if (data === undefined) throw providerFailed('it sent what is no chat completion');
  if (data.error !== undefined && data.error !== null) throw providerFailed('it reported an error');
  return data;
}

function usageFrom(usage: NonNullable<Chunk['usage']>): Usage {
  return {
    promptTokens: usage.prompt_tokens,
    completionTokens: usage.completion_tokens,
    cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
  };
}
