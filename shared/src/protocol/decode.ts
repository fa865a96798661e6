/**
 * The only place where bytes or JSON of other peers become typed values. Size before parsing, schema before use; a
 * refusal throws `protocol_violation` and changes nothing.
 */
import type { z } from 'zod/mini';
import { MeshError } from '../errors.ts';
import { MAX_MESSAGE_BYTES, MAX_NAME_CHARS } from '../limits.ts';
import type { SignedRecord } from './announcement.ts';
import { Announcement } from './announcement.ts';
import { PeerMessage } from './messages.ts';
import { SessionDescription } from './signaling.ts';
import { type VerifySignature, verifySignature } from './signature.ts';

/** A newer peer's message, sound as far as this version can tell; `of` is its type. */
export interface UnknownMessage {
  readonly type: 'unknown';
  readonly of: string;
}

const TYPES: ReadonlySet<string> = new Set(PeerMessage.def.options.flatMap(({ shape }) => shape.type.def.values));

const decoder = new TextDecoder('utf-8', { fatal: true });
const encoder = new TextEncoder();

/** @throws MeshError `payload_too_large` when the message exceeds `MAX_MESSAGE_BYTES`. */
export function encodePeerMessage(message: PeerMessage): Uint8Array {
  const bytes = encoder.encode(JSON.stringify(message));
  if (bytes.length > MAX_MESSAGE_BYTES) {
    throw new MeshError(
      'payload_too_large',
      `The message has ${bytes.length} bytes; a peer takes at most ${MAX_MESSAGE_BYTES}. Shorten the conversation or start a new chat.`,
    );
  }
  return bytes;
}

/** @throws MeshError `protocol_violation`. */
export function decodePeerMessage(bytes: Uint8Array): PeerMessage | UnknownMessage {
  if (bytes.length > MAX_MESSAGE_BYTES) throw MeshError.protocolViolation(`it has ${bytes.length} bytes`);
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw MeshError.protocolViolation('it is not UTF-8');
  }
  const value = jsonOf(text);
  const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined;
  if (typeof type === 'string' && type !== '' && type.length <= MAX_NAME_CHARS && !TYPES.has(type)) {
    return { type: 'unknown', of: type };
  }
  return check(PeerMessage, value);
}

/**
 * Reads an announcement whose signature is still to be checked (`verifySignature`).
 * @throws MeshError `protocol_violation`.
 */
export function readAnnouncement(record: SignedRecord): Announcement {
  return parseJson(Announcement, record.body);
}

/** @throws MeshError `protocol_violation` or `signature_invalid`. */
export function decodeAnnouncement(record: SignedRecord): Announcement {
  const announcement = readAnnouncement(record);
  verifySignature(record, announcement.peerId);
  return announcement;
}

/** @throws MeshError `protocol_violation` or `signature_invalid`. */
export function decodeSessionDescription(
  record: SignedRecord,
  verify: VerifySignature = verifySignature,
): SessionDescription {
  const description = parseJson(SessionDescription, record.body);
  verify(record, description.from);
  return description;
}

/** @throws MeshError `protocol_violation`. */
export function parseJson<Schema extends z.ZodMiniType>(schema: Schema, text: string): z.infer<Schema> {
  return check(schema, jsonOf(text));
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw MeshError.protocolViolation('it is not JSON');
  }
}

function check<Schema extends z.ZodMiniType>(schema: Schema, value: unknown): z.infer<Schema> {
  const result = schema.safeParse(value);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw MeshError.protocolViolation(`'${issue?.path.join('.') ?? ''}' is wrong (${issue?.message ?? 'unknown'})`);
  }
  return result.data;
}
