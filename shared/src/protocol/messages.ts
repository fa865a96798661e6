/**
 * Every message between two linked peers, as one union on `type`. The types are inferred from the schemas. Messages are
 * UTF-8 JSON inside the frames of `frames.ts`; `decode.ts` is the only place that turns bytes into a `PeerMessage`.
 */
import { z } from 'zod';
import { MESH_ERROR_CODES } from '../errors.ts';
import { JobId, ModelId, PeerId } from './ids.ts';

/** Raised by every change that an older peer could not understand; the handshake refuses another number. */
export const PROTOCOL_VERSION = 1;

/** A whole message, before fragmentation. Holds a 128k-token prompt. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;

export const ChatMessage = z.object({
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  content: z.string(),
});
export type ChatMessage = z.infer<typeof ChatMessage>;

export const FinishReason = z.enum(['stop', 'length']);
export type FinishReason = z.infer<typeof FinishReason>;

const tokenCount = z.int().min(0).max(10_000_000);

export const Usage = z.object({
  promptTokens: tokenCount,
  completionTokens: tokenCount,
  /** Prompt tokens that a cached prefix spared. */
  cachedTokens: tokenCount,
});
export type Usage = z.infer<typeof Usage>;

/** First message of both ends. The link is open once each has the other's. */
export const Hello = z.object({
  type: z.literal('hello'),
  protocol: z.int().min(1),
  peerId: PeerId,
});

export const Ping = z.object({ type: z.literal('ping'), id: z.int().min(0) });
export const Pong = z.object({ type: z.literal('pong'), id: z.int().min(0) });

/** What a job asks for; the same fields as the engine's `GenerationRequest`, plus the stop strings. */
export const JobParameters = z.object({
  messages: z.array(ChatMessage).min(1).max(10_000),
  maxTokens: z.int().min(1).max(10_000_000),
  temperature: z.number().min(0).max(2),
  topP: z.number().gt(0).max(1),
  seed: z.int().optional(),
  stop: z.array(z.string().min(1).max(1024)).max(16),
  /**
   * The beginning of the answer, which another peer gave before it was lost. What is asked for is the rest: `maxTokens`
   * and the deltas count from here.
   */
  continues: z.object({ text: z.string(), tokenCount }).optional(),
});
export type JobParameters = z.infer<typeof JobParameters>;

export const JobStart = z.object({
  type: z.literal('job-start'),
  jobId: JobId,
  model: ModelId,
  parameters: JobParameters,
});

/** `firstToken` numbers the delta: the count of this job's tokens before it. */
export const TokenDelta = z.object({
  type: z.literal('token-delta'),
  jobId: JobId,
  firstToken: tokenCount,
  tokenCount: z.int().min(1).max(100_000),
  text: z.string(),
});

export const JobEnd = z.object({
  type: z.literal('job-end'),
  jobId: JobId,
  reason: FinishReason,
  usage: Usage,
});

/** Refused or failed. `waitMs` with `peer_busy`: when a slot should be free. */
export const JobError = z.object({
  type: z.literal('job-error'),
  jobId: JobId,
  code: z.enum(MESH_ERROR_CODES),
  message: z.string().max(2000),
  retryable: z.boolean(),
  waitMs: z.number().min(0).optional(),
});

export const JobCancel = z.object({
  type: z.literal('job-cancel'),
  jobId: JobId,
});

/** Last message of an end that closes on purpose. */
export const Goodbye = z.object({
  type: z.literal('goodbye'),
  reason: z.string().max(200),
});

export const PeerMessage = z.discriminatedUnion('type', [
  Hello,
  Ping,
  Pong,
  JobStart,
  TokenDelta,
  JobEnd,
  JobError,
  JobCancel,
  Goodbye,
]);
export type PeerMessage = z.infer<typeof PeerMessage>;
export type PeerMessageOf<Type extends PeerMessage['type']> = Extract<PeerMessage, { type: Type }>;
