/**
 * Every message between two linked peers, as one union on `type`. The types are inferred from the schemas. Messages are
 * UTF-8 JSON inside the frames of `frames.ts`; `decode.ts` is the only place that turns bytes into a `PeerMessage`.
 */
import { z } from 'zod/mini';
import { MAX_EMBED_INPUTS, MAX_PARAM_CHARS } from '../limits.ts';
import { Capabilities } from './capabilities.ts';
import { JobId, ModelId, PeerId } from './ids.ts';
import { openName } from './open-list.ts';
import { StreamAccept, StreamEnd, StreamOpen, StreamRefuse, StreamReset, StreamWindow } from './stream-messages.ts';
import { WireError } from './wire-errors.ts';

/**
 * The handshake refuses another number, so it stays 1: what a newer peer can do beyond this is said by a capability, and
 * used with nobody who did not say it. Only a wire on which no job of an older peer could be answered would raise it.
 */
export const PROTOCOL_VERSION = 1;

export const ChatMessage = z.object({
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  content: z.string(),
});
export type ChatMessage = z.infer<typeof ChatMessage>;

/** One that this version doesn't know reads as `stop`. */
export const FinishReason = openName(['stop', 'length'], 'stop');
export type FinishReason = z.infer<typeof FinishReason>;

const tokenCount = z.int().check(z.minimum(0), z.maximum(10_000_000));

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
  protocol: z.int().check(z.minimum(1)),
  peerId: PeerId,
  /** Absent from those who know none. */
  capabilities: z.optional(Capabilities),
});

export const Ping = z.object({ type: z.literal('ping'), id: z.int().check(z.minimum(0)) });
export const Pong = z.object({ type: z.literal('pong'), id: z.int().check(z.minimum(0)) });

/** Enforced by the engine's grammar: a JSON object, any or as the schema (JSON Schema, as far as the engine knows it) says. */
export const ResponseFormat = z.discriminatedUnion('type', [
  z.object({ type: z.literal('json_object') }),
  z.object({ type: z.literal('json_schema'), schema: z.record(z.string(), z.unknown()) }),
]);
export type ResponseFormat = z.infer<typeof ResponseFormat>;

/** Token ids of the model's vocabulary → what is added to their logits. */
export const LogitBias = z
  .record(z.string().check(z.regex(/^\d{1,7}$/)), z.number().check(z.minimum(-100), z.maximum(100)))
  .check(z.refine((biases) => Object.keys(biases).length <= 300, 'at most 300 tokens can be biased'));
export type LogitBias = z.infer<typeof LogitBias>;

const penalty = z.number().check(z.minimum(-2), z.maximum(2));

/** Natural logarithms. `bytes`: of the token, where its text alone is no whole character. */
const Likelihood = z.object({
  token: z.string().check(z.maxLength(1024)),
  logprob: z.number().check(z.maximum(0)),
  bytes: z.optional(z.array(z.int().check(z.minimum(0), z.maximum(255))).check(z.maxLength(256))),
});

/** One token of an answer and, likeliest first, those that could have stood there. */
export const TokenLogprob = z.extend(Likelihood, { top: z.array(Likelihood).check(z.maxLength(20)) });
export type TokenLogprob = z.infer<typeof TokenLogprob>;

/** What a job asks for; the same fields as the engine's `GenerationRequest`, plus the stop strings. */
export const JobParameters = z.object({
  messages: z.array(ChatMessage).check(z.minLength(1), z.maxLength(10_000)),
  maxTokens: z.int().check(z.minimum(1), z.maximum(10_000_000)),
  temperature: z.number().check(z.minimum(0), z.maximum(2)),
  topP: z.number().check(z.gt(0), z.maximum(1)),
  seed: z.optional(z.int()),
  stop: z.array(z.string().check(z.minLength(1), z.maxLength(1024))).check(z.maxLength(16)),
  responseFormat: z.optional(ResponseFormat),
  /** How many of the likeliest tokens to tell beside each token's own probability; absent: no probabilities. */
  topLogprobs: z.optional(z.int().check(z.minimum(0), z.maximum(20))),
  logitBias: z.optional(LogitBias),
  presencePenalty: z.optional(penalty),
  frequencyPenalty: z.optional(penalty),
  /** Whether the model thinks before it answers, where its chat template lets one choose. Absent: as the template has it. */
  thinking: z.optional(z.boolean()),
  /**
   * The beginning of the answer as the model wrote it, thoughts and their markers included, which another peer gave before
   * it was lost. What is asked for is the rest: `maxTokens` and the deltas count from here.
   */
  continues: z.optional(z.object({ text: z.string(), tokenCount })),
});
export type JobParameters = z.infer<typeof JobParameters>;

/** How a job stands in line where all slots are taken. */
const inLine = {
  /** A word by which the asker tells those apart whom it asks for; their jobs take turns. */
  client: z.optional(z.string().check(z.minLength(1), z.maxLength(64))),
  /** How long it may wait for a slot; a peer that expects a longer wait refuses at once. */
  patienceMs: z.optional(z.int().check(z.minimum(0), z.maximum(3_600_000))),
};

export const JobStart = z.object({
  type: z.literal('job-start'),
  jobId: JobId,
  model: ModelId,
  ...inLine,
  /**
   * The asker tells thoughts from the answer: deltas may say which they are. Without it they come as the model wrote them,
   * markers and all, which is what members know that never heard of thoughts.
   */
  marksThoughts: z.optional(z.boolean()),
  parameters: JobParameters,
});

/** `firstToken` numbers the delta: the count of this job's tokens before it. */
export const TokenDelta = z.object({
  type: z.literal('token-delta'),
  jobId: JobId,
  firstToken: tokenCount,
  tokenCount: z.int().check(z.minimum(1), z.maximum(100_000)),
  text: z.string(),
  /** What the model thinks before it answers. Never beside tokens of the answer in one delta. */
  thought: z.optional(z.boolean()),
  /** What the model wrote, where that is not the text: markers of thoughts, for whoever goes on with the answer. */
  written: z.optional(z.string()),
  /** One for each token, where the job asks for them. */
  logprobs: z.optional(z.array(TokenLogprob).check(z.maxLength(100_000))),
});

export const JobEnd = z.object({
  type: z.literal('job-end'),
  jobId: JobId,
  reason: FinishReason,
  usage: Usage,
  /** Which of the job's stop strings ended it, where one did. */
  stopText: z.optional(z.string().check(z.maxLength(1024))),
});

/** Refused or failed. `waitMs` with `peer_busy`: when a slot should be free, here or in the mesh behind this peer. */
export const JobError = z.object({
  type: z.literal('job-error'),
  jobId: JobId,
  code: WireError,
  message: z.string().check(z.maxLength(2000)),
  retryable: z.boolean(),
  waitMs: z.optional(z.number().check(z.minimum(0))),
  /** Which field of the request it is about, by its name in OpenAI's API. */
  param: z.optional(z.string().check(z.maxLength(MAX_PARAM_CHARS))),
});

export const JobCancel = z.object({
  type: z.literal('job-cancel'),
  jobId: JobId,
});

/** Asks for the embedding of each text. */
export const EmbedStart = z.object({
  type: z.literal('embed-start'),
  jobId: JobId,
  model: ModelId,
  ...inLine,
  inputs: z.array(z.string().check(z.minLength(1))).check(z.minLength(1), z.maxLength(MAX_EMBED_INPUTS)),
});

/** `vectors`: one for each text, 32-bit floats, little-endian, in base64url; all of the same length. */
export const EmbedEnd = z.object({
  type: z.literal('embed-end'),
  jobId: JobId,
  vectors: z.array(z.string().check(z.maxLength(64 * 1024))).check(z.maxLength(MAX_EMBED_INPUTS)),
  promptTokens: tokenCount,
});

/** Last message of an end that closes on purpose. */
export const Goodbye = z.object({
  type: z.literal('goodbye'),
  reason: z.string().check(z.maxLength(200)),
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
  EmbedStart,
  EmbedEnd,
  StreamOpen,
  StreamAccept,
  StreamRefuse,
  StreamWindow,
  StreamEnd,
  StreamReset,
  Goodbye,
]);
export type PeerMessage = z.infer<typeof PeerMessage>;
export type PeerMessageOf<Type extends PeerMessage['type']> = Extract<PeerMessage, { type: Type }>;
