/**
 * The wire of 28 November 2026 (commit 8b672a0), frozen: the strict schemas and frames of members that knew no
 * capabilities and refused what they did not know. Such members are out there; nothing in this file is ever changed.
 */
import { z } from 'zod';
import { MeshError } from '../errors.ts';

const FRAME_BYTES = 32 * 1024;
const MESSAGE_BYTES = 1024 * 1024;

const PeerId = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
const ModelId = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/);
const HexId = z.string().regex(/^[0-9a-f]{32}$/);

const count = z.int().min(0).max(1_000_000);
const durationMs = z.number().min(0).max(3_600_000);
const tokensPerSecond = z.number().min(0).max(50_000);

const Measured = z.object({
  ttftMs: durationMs,
  ttftP95Ms: durationMs,
  tokensPerSecond,
  tokensPerSecondP95: tokensPerSecond,
  sampleCount: count,
  ageMs: z.number().min(0).max(86_400_000),
});

const Baseline = z.object({ ttftMs: durationMs, tokensPerSecond, sampleCount: count, ageMs: z.number().min(0) });

const ServedModel = z.object({
  id: ModelId,
  classId: HexId,
  family: z.enum(['llama.cpp', 'mlc', 'openai', 'ollama', 'scripted']),
  backend: z.string().max(120),
  contextTokens: z.int().min(1).max(10_000_000),
  slots: z.int().min(1).max(1024),
  inFlight: count,
  queued: count,
  sizeBytes: z.int().min(0),
  features: z.array(z.enum(['seed', 'continue', 'json', 'logprobs', 'logit-bias', 'penalties', 'embeddings'])).max(16),
  measured: Measured.nullable(),
  baseline: Baseline.nullable(),
});

export const YesterdaysAnnouncement = z.object({
  type: z.literal('announcement'),
  peerId: PeerId,
  kind: z.enum(['tab', 'native', 'entry']),
  version: z.string().max(32),
  sequence: z.int().min(0),
  issuedAtMs: z.int().min(0),
  lifetimeMs: z.int().min(1_000).max(600_000),
  state: z.enum(['ready', 'draining']),
  memoryBytes: z.number().min(0).nullable(),
  models: z.array(ServedModel).max(32),
  links: z.array(z.object({ peerId: PeerId, rttMs: durationMs.nullable() })).max(32),
});

const ResponseFormat = z.discriminatedUnion('type', [
  z.object({ type: z.literal('json_object') }),
  z.object({ type: z.literal('json_schema'), schema: z.record(z.string(), z.unknown()) }),
]);

const LogitBias = z
  .record(z.string().regex(/^\d{1,7}$/), z.number().min(-100).max(100))
  .refine((biases) => Object.keys(biases).length <= 300);

const tokenCount = z.int().min(0).max(10_000_000);
const penalty = z.number().min(-2).max(2);

const Likelihood = z.object({
  token: z.string().max(1024),
  logprob: z.number().max(0),
  bytes: z.array(z.int().min(0).max(255)).max(256).optional(),
});

const JobParameters = z.object({
  messages: z
    .array(z.object({ role: z.enum(['system', 'user', 'assistant', 'tool']), content: z.string() }))
    .min(1)
    .max(10_000),
  maxTokens: z.int().min(1).max(10_000_000),
  temperature: z.number().min(0).max(2),
  topP: z.number().gt(0).max(1),
  seed: z.int().optional(),
  stop: z.array(z.string().min(1).max(1024)).max(16),
  responseFormat: ResponseFormat.optional(),
  topLogprobs: z.int().min(0).max(20).optional(),
  logitBias: LogitBias.optional(),
  presencePenalty: penalty.optional(),
  frequencyPenalty: penalty.optional(),
  continues: z.object({ text: z.string(), tokenCount }).optional(),
});

const job = { jobId: HexId };
const start = {
  ...job,
  model: ModelId,
  client: z.string().min(1).max(64).optional(),
  patienceMs: z.int().min(0).max(3_600_000).optional(),
};

export const YESTERDAYS_ERROR_CODES = [
  'model_not_found',
  'context_length_exceeded',
  'invalid_request',
  'no_peer_with_model',
  'mesh_busy',
  'unauthorized',
  'payload_too_large',
  'upstream_failed',
  'cancelled',
  'peer_busy',
  'peer_lost',
  'peer_draining',
  'connection_failed',
  'protocol_violation',
  'signature_invalid',
  'engine_failed',
  'model_invalid',
  'out_of_memory',
  'unsupported',
  'download_failed',
  'checksum_mismatch',
  'port_in_use',
  'home_not_writable',
  'closed',
] as const;

export const YesterdaysPeerMessage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('hello'), protocol: z.int().min(1), peerId: PeerId }),
  z.object({ type: z.literal('ping'), id: z.int().min(0) }),
  z.object({ type: z.literal('pong'), id: z.int().min(0) }),
  z.object({ type: z.literal('job-start'), ...start, parameters: JobParameters }),
  z.object({
    type: z.literal('token-delta'),
    ...job,
    firstToken: tokenCount,
    tokenCount: z.int().min(1).max(100_000),
    text: z.string(),
    logprobs: z
      .array(Likelihood.extend({ top: z.array(Likelihood).max(20) }))
      .max(100_000)
      .optional(),
  }),
  z.object({
    type: z.literal('job-end'),
    ...job,
    reason: z.enum(['stop', 'length']),
    usage: z.object({ promptTokens: tokenCount, completionTokens: tokenCount, cachedTokens: tokenCount }),
  }),
  z.object({
    type: z.literal('job-error'),
    ...job,
    code: z.enum(YESTERDAYS_ERROR_CODES),
    message: z.string().max(2000),
    retryable: z.boolean(),
    waitMs: z.number().min(0).optional(),
  }),
  z.object({ type: z.literal('job-cancel'), ...job }),
  z.object({ type: z.literal('embed-start'), ...start, inputs: z.array(z.string().min(1)).min(1).max(16) }),
  z.object({
    type: z.literal('embed-end'),
    ...job,
    vectors: z.array(z.string().max(64 * 1024)).max(16),
    promptTokens: tokenCount,
  }),
  z.object({ type: z.literal('goodbye'), reason: z.string().max(200) }),
]);

export const YesterdaysSessionDescription = z.object({
  type: z.literal('session-description'),
  from: PeerId,
  to: PeerId,
  sessionId: HexId,
  role: z.enum(['offerer', 'answerer']),
  index: z.int().min(0).max(1000),
  payload: z.string().max(32 * 1024),
});

const SignedRecord = z.object({
  body: z.string().max(64 * 1024),
  signature: z.string().regex(/^[A-Za-z0-9_-]{86}$/),
});
const nonce = z.string().regex(/^[0-9a-f]{64}$/);

/** What goes between a member and its entry, by the name of its event; the proof travels inside `join`. */
export const YESTERDAYS_SIGNALING = {
  challenge: z.object({ nonce, nowMs: z.int().min(0) }),
  proof: z.object({ type: z.literal('join-proof'), peerId: PeerId, nonce }),
  join: z.object({ protocol: z.int().min(1), proof: SignedRecord, announcement: SignedRecord }),
  welcome: z.object({
    entryPeerId: PeerId.nullable(),
    iceServers: z.array(
      z.object({
        urls: z.union([z.string(), z.array(z.string())]),
        username: z.string().optional(),
        credential: z.string().optional(),
      }),
    ),
    roster: z.array(SignedRecord),
  }),
  refused: z.object({
    code: z.enum(['signature_invalid', 'protocol_violation', 'unauthorized', 'mesh_busy']),
    message: z.string().max(500),
  }),
  roster: z.object({ upserted: z.array(SignedRecord), removed: z.array(PeerId) }),
  announce: SignedRecord,
  description: SignedRecord,
  describe: z.object({ to: PeerId, record: SignedRecord }),
  report: z.discriminatedUnion('servedBy', [
    z.object({
      servedBy: z.literal('mesh'),
      peerId: PeerId,
      model: ModelId,
      completionTokens: z.int().min(0),
      ttftMs: durationMs,
      tokensPerSecond: tokensPerSecond.nullable(),
    }),
    z.object({ servedBy: z.literal('failed') }),
  ]),
};

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** A message as yesterday's link sends it. */
export function yesterdaysFrames(message: unknown): Uint8Array[] {
  const bytes = encoder.encode(JSON.stringify(message));
  const frames: Uint8Array[] = [];
  for (let begin = 0; begin === 0 || begin < bytes.length; begin += FRAME_BYTES - 1) {
    const piece = bytes.subarray(begin, begin + FRAME_BYTES - 1);
    const isLast = begin + FRAME_BYTES - 1 >= bytes.length;
    frames.push(Uint8Array.of(isLast ? 0 : 1, ...piece));
  }
  return frames;
}

/** Puts messages together as yesterday's link does. */
export class YesterdaysFrameReader {
  #pieces: number[] = [];

  /** The JSON of a whole message, else undefined. @throws MeshError or SyntaxError */
  push(frame: Uint8Array): unknown {
    const [flag, ...piece] = frame;
    if (flag !== 0 && flag !== 1) throw MeshError.protocolViolation('its frame has no valid flag');
    this.#pieces.push(...piece);
    if (this.#pieces.length > MESSAGE_BYTES) throw MeshError.protocolViolation('it is too long');
    if (flag === 1) return undefined;
    const bytes = Uint8Array.from(this.#pieces);
    this.#pieces = [];
    return JSON.parse(decoder.decode(bytes));
  }
}
