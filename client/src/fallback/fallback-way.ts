/**
 * A question by HTTP, to the entry's own `/api/chat`: behind the entry's gate an outside provider answers it, or the mesh
 * after all. Either way it becomes the same updates as an answer that came over a link.
 */
import {
  type Clock,
  type CompletionRequest,
  type FinishReason,
  JobTimer,
  MESH_ERROR_CODES,
  MeshError,
  type ModelId,
  PeerId,
} from '@tabmesh/shared';
import type { AnswerSource, AnswerUpdate } from '../conversations/answer-reducer.ts';
import { eventData } from './event-data.ts';
import type { PostToEntry } from './post-to-entry.ts';

/** The way by which an outside provider may come to see a question. */
export interface FallbackWay extends AnswerSource {
  /** The provider's host. */
  readonly host: string;
  readonly model: ModelId;
}

export interface FallbackWayOptions {
  /** Of the provider, as the notice names it. */
  readonly host: string;
  readonly model: ModelId;
  readonly clock: Clock;
  readonly post: PostToEntry;
}

export function createFallbackWay({ host, model, clock, post }: FallbackWayOptions): FallbackWay {
  return {
    host,
    model,
    async *complete(request, signal) {
      const startMs = clock.monotonicMs();
      const response = await reach(post(bodyOf(request, model), signal), signal);
      if (staysUnseen(response.headers)) yield { type: 'unseen' };
      if (!response.ok || response.body === null) throw await refusalOf(response);
      yield { type: 'served', peer: peerIn(response.headers), model };
      yield* updatesOf(response.body, startMs, clock, signal);
    },
  };
}

function bodyOf({ messages, conversationId }: CompletionRequest, model: ModelId): object {
  // The entry keeps the key to itself: it takes a conversation back to the peer that knows it.
  return { model, messages, stream: true, stream_options: { include_usage: true }, prompt_cache_key: conversationId };
}

async function reach(response: Promise<Response>, signal: AbortSignal): Promise<Response> {
  try {
    return await response;
  } catch (cause) {
    if (signal.aborted) throw MeshError.cancelled();
    throw new MeshError('connection_failed', 'The entry could not be reached. Check the connection, then ask again.', {
      cause,
    });
  }
}

/** Only what the entry says for certain: a provider that failed may have read the question. */
function staysUnseen(headers: Headers): boolean {
  const status = headers.get('x-tabmesh-fallback-status');
  return status !== null && status !== 'used' && status !== 'upstream-failed';
}

/** null: the outside provider. */
function peerIn(headers: Headers): PeerId | null {
  if (headers.get('x-tabmesh-served-by') !== 'mesh') return null;
  return PeerId.safeParse(headers.get('x-tabmesh-peer')).data ?? null;
}

async function* updatesOf(
  body: ReadableStream<Uint8Array>,
  startMs: number,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<AnswerUpdate, void, undefined> {
  const timer = new JobTimer(startMs);
  let lastTokenMs: number | undefined;
  let reason: FinishReason | undefined;
  let usage = { promptTokens: 0, completionTokens: 0, cachedTokens: 0 };
  try {
    for await (const data of eventData(body)) {
      if (data === '[DONE]') break;
      const chunk = readChunk(data);
      if (chunk.usage !== undefined) usage = chunk.usage;
      for (const thought of [true, false]) {
        const text = thought ? chunk.thought : chunk.text;
        if (text === '') continue;
        if (lastTokenMs === undefined) timer.tokens(clock.monotonicMs(), 1);
        lastTokenMs = clock.monotonicMs();
        yield { type: 'tokens', text, tokenCount: 1, ...(thought ? { thought } : {}) };
      }
      reason = chunk.reason ?? reason;
    }
  } catch (error) {
    if (signal.aborted) throw MeshError.cancelled();
    throw MeshError.is(error) ? error : brokenOff();
  }
  if (reason === undefined) throw brokenOff();
  // Events are no tokens: the rate comes from the server's own count, none from a server that does not count.
  const isCounted = lastTokenMs !== undefined && usage.completionTokens > 0;
  if (lastTokenMs !== undefined) timer.tokens(lastTokenMs, Math.max(0, usage.completionTokens - 1));
  const measured = timer.measurement();
  yield {
    type: 'end',
    reason,
    usage,
    ttftMs: measured?.ttftMs ?? clock.monotonicMs() - startMs,
    tokensPerSecond: isCounted ? (measured?.tokensPerSecond ?? null) : null,
  };
}

interface Chunk {
  readonly thought: string;
  readonly text: string;
  readonly reason: FinishReason | undefined;
  readonly usage: { promptTokens: number; completionTokens: number; cachedTokens: number } | undefined;
}

/** @throws MeshError the one that the event tells of, `upstream_failed` for an event that is no chunk. */
function readChunk(data: string): Chunk {
  const chunk = record(parse(data));
  if (chunk === undefined) throw brokenOff();
  if (chunk.error !== undefined) throw errorIn(chunk.error);
  const choice = record(Array.isArray(chunk.choices) ? chunk.choices[0] : undefined);
  const { content, reasoning_content: thought } = record(choice?.delta) ?? {};
  const usage = record(chunk.usage);
  return {
    thought: typeof thought === 'string' ? thought : '',
    text: typeof content === 'string' ? content : '',
    reason:
      choice?.finish_reason === 'length' ? 'length' : typeof choice?.finish_reason === 'string' ? 'stop' : undefined,
    usage: usage && {
      promptTokens: count(usage.prompt_tokens),
      completionTokens: count(usage.completion_tokens),
      cachedTokens: count(record(usage.prompt_tokens_details)?.cached_tokens),
    },
  };
}

async function refusalOf(response: Response): Promise<MeshError> {
  const body = record(parse(await response.text().catch(() => '')));
  if (body?.error !== undefined) return errorIn(body.error);
  return new MeshError(
    'upstream_failed',
    `The entry answered with status ${response.status} and no reason. Wait a moment, then ask again.`,
  );
}

/** OpenAI's shape, as every error of an entry has it. */
function errorIn(value: unknown): MeshError {
  const { code, message } = record(value) ?? {};
  const known = MESH_ERROR_CODES.find((one) => one === code) ?? 'upstream_failed';
  return new MeshError(known, typeof message === 'string' && message !== '' ? message : brokenOff().message);
}

function brokenOff(): MeshError {
  return new MeshError('upstream_failed', 'The answer broke off on its way. Ask again to get a whole one.');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function record(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0;
}
