/**
 * The signed, expiring record in which a peer says who it is, what it serves and what was measured. It travels as the
 * exact bytes that were signed, so no canonical form is needed.
 */
import { z } from 'zod';
import { Capabilities } from './capabilities.ts';
import { ClassId, ModelId, PeerId } from './ids.ts';

/** `body` is JSON text; `signature` is base64url Ed25519 over its UTF-8 bytes by the peer that the body names. */
export const SignedRecord = z.object({
  body: z.string().max(64 * 1024),
  signature: z.string().regex(/^[A-Za-z0-9_-]{86}$/),
});
export type SignedRecord = z.infer<typeof SignedRecord>;

export const EngineFamily = z.enum(['llama.cpp', 'mlc', 'openai', 'ollama', 'scripted']);
export type EngineFamily = z.infer<typeof EngineFamily>;

export const ModelFeature = z.enum(['seed', 'continue', 'json', 'logprobs', 'logit-bias', 'penalties', 'embeddings']);
export type ModelFeature = z.infer<typeof ModelFeature>;

const count = z.int().min(0).max(1_000_000);

const durationMs = z.number().min(0).max(3_600_000);
const tokensPerSecond = z.number().min(0).max(50_000);

/** The provider's last hour: medians, and the 95th percentiles beside them. */
export const Measured = z.object({
  ttftMs: durationMs,
  ttftP95Ms: durationMs,
  tokensPerSecond,
  tokensPerSecondP95: tokensPerSecond,
  sampleCount: count,
  ageMs: z.number().min(0).max(86_400_000),
});
export type Measured = z.infer<typeof Measured>;

/** What the engine does alone, without the mesh: medians of a few deterministic completions. */
export const Baseline = z.object({
  ttftMs: durationMs,
  tokensPerSecond,
  sampleCount: count,
  ageMs: z.number().min(0),
});
export type Baseline = z.infer<typeof Baseline>;

export const ServedModel = z.object({
  id: ModelId,
  classId: ClassId,
  family: EngineFamily,
  backend: z.string().max(120),
  contextTokens: z.int().min(1).max(10_000_000),
  slots: z.int().min(1).max(1024),
  inFlight: count,
  queued: count,
  sizeBytes: z.int().min(0),
  features: z.array(ModelFeature).max(16),
  measured: Measured.nullable(),
  /** null: not measured yet, or a model that no single peer holds. */
  baseline: Baseline.nullable(),
});
export type ServedModel = z.infer<typeof ServedModel>;

export const PeerKind = z.enum(['tab', 'native', 'entry']);
export type PeerKind = z.infer<typeof PeerKind>;

export const Announcement = z.object({
  type: z.literal('announcement'),
  peerId: PeerId,
  kind: PeerKind,
  version: z.string().max(32),
  /** Grows with every announcement of one peer; an older one never replaces a newer one. */
  sequence: z.int().min(0),
  issuedAtMs: z.int().min(0),
  lifetimeMs: z.int().min(1_000).max(600_000),
  state: z.enum(['ready', 'draining']),
  /** What the peer has for models; null when it can't tell. */
  memoryBytes: z.number().min(0).nullable(),
  models: z.array(ServedModel).max(32),
  /** Its open links, nearest first. */
  links: z.array(z.object({ peerId: PeerId, rttMs: durationMs.nullable() })).max(32),
  /** What the peer can do; absent from those who know no capabilities. */
  capabilities: Capabilities.optional(),
});
export type Announcement = z.infer<typeof Announcement>;
