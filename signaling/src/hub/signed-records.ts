/**
 * What a member signed, checked before anything changes: the proof of its key, its announcement, the outside of a
 * session description. Every function throws a `MeshError` whose sentence may be shown to the member.
 */
import {
  Announcement,
  type Clock,
  type Join,
  JoinProof,
  MeshError,
  type PeerId,
  PROTOCOL_VERSION,
  SessionDescription,
  type SignedRecord,
} from '@tabmesh/shared';
import { verifySignatureInNode } from '@tabmesh/shared/node';
import type { z } from 'zod/mini';
import { MEMBER_CLOCK_SKEW_MS } from '../limits/limits.ts';

/** What is true of this entry, so that what is signed can be held against it. */
export interface Here {
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly entryPeerId: PeerId | null;
  /** @param named host and port, as a joiner dialled them */
  leadsHere(named: string): boolean;
}

/**
 * @throws MeshError `protocol_violation`, or `signature_invalid` when the proof is not the joiner's own or was made for
 * another connection or another entry.
 */
export function readJoin(join: Join, nonce: string, here: Here): Announcement {
  if (join.protocol !== PROTOCOL_VERSION) {
    throw new MeshError(
      'protocol_violation',
      `This entry speaks protocol ${PROTOCOL_VERSION} and the peer ${join.protocol}. Update the older of the two; a page only needs a reload.`,
    );
  }
  const proof = parse(JoinProof, join.proof.body, 'join proof');
  verifySignatureInNode(join.proof, proof.peerId);
  if (proof.nonce !== nonce) {
    throw new MeshError('signature_invalid', 'The proof was made for another connection. Connect again.');
  }
  if (proof.entry !== undefined && !here.leadsHere(proof.entry)) throw foreignProof(proof.entry);
  return readAnnouncement(join.announcement, proof.peerId, here);
}

/** Whoever set up a proxy or a tunnel reads it, and has to know what to do. */
function foreignProof(entry: string): MeshError {
  const host = /^[\w.-]+(?=:\d+$|$)|(?<=^\[)[\da-f:.]+(?=\])/i.exec(entry)?.[0] ?? 'NAME';
  return new MeshError(
    'signature_invalid',
    `The peer asked to join '${entry}', which this entry does not know as one of its addresses. If it leads here, start the entry with --allowed-hosts ${host} (TABMESH_ALLOWED_HOSTS).`,
  );
}

/** @throws MeshError `protocol_violation` or `signature_invalid`. */
export function readAnnouncement(record: SignedRecord, peerId: PeerId, { clock, entryPeerId }: Here): Announcement {
  const announcement = parse(Announcement, record.body, 'announcement');
  if (announcement.peerId !== peerId) {
    throw new MeshError('signature_invalid', 'A peer can only announce itself; this announcement names another one.');
  }
  verifySignatureInNode(record, peerId);
  if (announcement.kind === 'entry' && peerId !== entryPeerId) {
    throw new MeshError('protocol_violation', "Only this entry's own key may announce an entry here. Join as a peer.");
  }
  const ageMs = clock.wallMs() - announcement.issuedAtMs;
  if (ageMs > announcement.lifetimeMs + MEMBER_CLOCK_SKEW_MS || ageMs < -MEMBER_CLOCK_SKEW_MS) {
    throw new MeshError(
      'protocol_violation',
      `The announcement is dated ${Math.round(Math.abs(ageMs) / 60_000)} minutes ${ageMs > 0 ? 'ago' : 'ahead'}. Join again: the entry tells its time.`,
    );
  }
  return announcement;
}

/** The addressee checks the signature: the entry only keeps members from writing in another's name. */
export function readDescription(record: SignedRecord, from: PeerId, to: PeerId): SessionDescription {
  const description = parse(SessionDescription, record.body, 'session description');
  if (description.from !== from) throw MeshError.protocolViolation('a session description names another sender');
  if (description.to !== to) throw MeshError.protocolViolation('a session description names another addressee');
  return description;
}

function parse<Schema extends z.ZodMiniType>(schema: Schema, text: string, what: string): z.infer<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw MeshError.protocolViolation(`the ${what} is not JSON`);
  }
  const result = schema.safeParse(value);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw MeshError.protocolViolation(`'${issue?.path.join('.') ?? ''}' of the ${what} is wrong (${issue?.message})`);
  }
  return result.data;
}
