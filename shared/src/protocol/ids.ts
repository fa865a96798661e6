/**
 * Identifiers that cross the wire. They are branded so that a peer can't be passed where a job is meant.
 */
import { en } from 'zod/locales';
import { z } from 'zod/mini';

// The small zod has no words of its own, and what it says of a wrong field reaches people. Every schema needs these ids.
z.config(en());

/**
 * Base64url of the peer's 32-byte Ed25519 public key. Whoever knows the id can check a signature. 43 characters hold two bits
 * more than a key has; they are 0, so that no key goes by several ids.
 */
export const PeerId = z
  .string()
  .check(z.regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/))
  .brand<'PeerId'>();
export type PeerId = z.infer<typeof PeerId>;

/** What a user names: `mesh-tiny`, `Qwen3-8B`. */
export const ModelId = z
  .string()
  .check(z.regex(/^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/))
  .brand<'ModelId'>();
export type ModelId = z.infer<typeof ModelId>;

/** 32 hex digits: the hash of everything that decides which tokens come out (see `classIdOf`). */
export const ClassId = z
  .string()
  .check(z.regex(/^[0-9a-f]{32}$/))
  .brand<'ClassId'>();
export type ClassId = z.infer<typeof ClassId>;

/** 32 hex digits, drawn by the requester. */
export const JobId = z
  .string()
  .check(z.regex(/^[0-9a-f]{32}$/))
  .brand<'JobId'>();
export type JobId = z.infer<typeof JobId>;

/** 32 hex digits, drawn by the dialling end; one link attempt. */
export const SessionId = z
  .string()
  .check(z.regex(/^[0-9a-f]{32}$/))
  .brand<'SessionId'>();
export type SessionId = z.infer<typeof SessionId>;

/** Where a member hears of others: one of its entries. Never crosses the wire. */
export const SourceId = z.string().brand<'SourceId'>();
export type SourceId = z.infer<typeof SourceId>;
