/**
 * The signed, expiring record in which a peer says who it is, what it serves and what was measured. It travels as the
 * exact bytes that were signed, so no canonical form is needed.
 */
import { z } from 'zod/mini';
import { MAX_ANNOUNCED_LINKS } from '../limits.ts';
import { Capabilities } from './capabilities.ts';
import { PeerId } from './ids.ts';
import { openName } from './open-list.ts';
import { Measured, ServedModels } from './served-model.ts';

export * from './served-model.ts';

/**
 * `body` is JSON text; `signature` is base64url Ed25519 over its UTF-8 bytes by the peer that the body names. The four bits
 * that 86 characters have over are 0: a signature has one spelling.
 */
export const SignedRecord = z.object({
  body: z.string().check(z.maxLength(64 * 1024)),
  signature: z.string().check(z.regex(/^[A-Za-z0-9_-]{85}[AQgw]$/)),
});
export type SignedRecord = z.infer<typeof SignedRecord>;

/** What members of this version are. */
export const PeerKind = z.enum(['tab', 'native', 'entry']);
export type PeerKind = z.infer<typeof PeerKind>;

export const Announcement = z.object({
  type: z.literal('announcement'),
  peerId: PeerId,
  /** `other`: a kind that this version doesn't know, and a peer like any other. */
  kind: openName(PeerKind.options, 'other'),
  version: z.string().check(z.maxLength(32)),
  /** Grows with every announcement of one peer; an older one never replaces a newer one. */
  sequence: z.int().check(z.minimum(0)),
  issuedAtMs: z.int().check(z.minimum(0)),
  lifetimeMs: z.int().check(z.minimum(1_000), z.maximum(600_000)),
  /** In a state that this version doesn't know a peer takes no jobs. */
  state: openName(['ready', 'draining'], 'draining'),
  /** What the peer has for models; null when it can't tell. */
  memoryBytes: z.nullable(z.number().check(z.minimum(0), z.maximum(Number.MAX_SAFE_INTEGER))),
  models: ServedModels,
  /** Its open links, nearest first. */
  links: z
    .array(z.object({ peerId: PeerId, rttMs: z.nullable(Measured.shape.ttftMs) }))
    .check(z.maxLength(MAX_ANNOUNCED_LINKS)),
  /** What the peer can do; absent from those who know no capabilities. */
  capabilities: z.optional(Capabilities),
});
export type Announcement = z.infer<typeof Announcement>;
