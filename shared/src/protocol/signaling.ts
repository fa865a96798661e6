/**
 * The messages between a member and its entry, for both ends; socket.io's typed events derive from them.
 *
 * Order: the entry emits `challenge`, the member answers `join`, the entry answers `welcome` or `refused`. From then on
 * `announce`, `describe` and `report` go up, `roster` and `description` come down. What goes up before the join (members of
 * November 2026 send what waited through a stall) is not read, and no offence.
 */
import { z } from 'zod/mini';
import { MAX_ICE_SERVERS } from '../limits.ts';
import { Measured, SignedRecord } from './announcement.ts';
import { ModelId, PeerId, SessionId } from './ids.ts';
import { openList, openName } from './open-list.ts';

/**
 * What the joiner answers. `nowMs`: Unix milliseconds by the entry's clock, which its members date their announcements
 * by, so that a device with a wrong clock is nobody's trouble. At most the last date there is: announcements, those at
 * other entries too, are numbered on from it, and have to stay whole numbers.
 */
export const Challenge = z.object({
  nonce: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
  nowMs: z.int().check(z.minimum(0), z.maximum(8_640_000_000_000_000)),
});
export type Challenge = z.infer<typeof Challenge>;

/** The longest name, a colon and a port, with room for brackets. */
const MAX_ENTRY_ADDRESS = 261;

/** Signed by the joiner. `nonce` is the entry's, so a proof is good for one connection only. */
export const JoinProof = z.object({
  type: z.literal('join-proof'),
  peerId: PeerId,
  nonce: Challenge.shape.nonce,
  /**
   * What it joins: host and port as the joiner dialled them, the default port left out, as in `location.host`. An entry
   * that passes another's challenge on to its own visitor gets a proof that names itself, which the other refuses. Absent
   * from members of November 2026; a member that names it always does, so nobody can talk it out of that.
   */
  entry: z.optional(z.string().check(z.minLength(1), z.maxLength(MAX_ENTRY_ADDRESS))),
});
export type JoinProof = z.infer<typeof JoinProof>;

export const Join = z.object({
  protocol: z.int().check(z.minimum(1)),
  proof: SignedRecord,
  announcement: SignedRecord,
});
export type Join = z.infer<typeof Join>;

/** A host or address, a port, and with TURN a transport (RFC 7064, RFC 7065). */
const ICE_URL =
  /^(?:stuns?|turns?):(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?<port>\d{1,5}))?(?<transport>\?transport=(?:udp|tcp))?$/;

function isIceUrl(url: string): boolean {
  const parts = ICE_URL.exec(url)?.groups;
  if (parts === undefined || Number(parts.port ?? 1) > 65_535) return false;
  return parts.transport === undefined || url.startsWith('turn');
}

const iceUrl = z.string().check(z.maxLength(512), z.refine(isIceUrl));
/** Of a TURN server's user, in bytes: more is an error to browsers. */
const MAX_ICE_NAME = 508;

export const IceServerSchema = z
  .object({
    urls: z.union([iceUrl, z.array(iceUrl).check(z.minLength(1))]),
    username: z.optional(z.string().check(z.maxLength(MAX_ICE_NAME))),
    credential: z.optional(z.string()),
  })
  .check(
    z.refine(
      ({ urls, username, credential }) =>
        (username !== undefined && credential !== undefined) || ![urls].flat().some((url) => url.startsWith('turn')),
    ),
  );

export const Welcome = z.object({
  entryPeerId: z.nullable(PeerId),
  /** One that no browser takes is skipped: with it there would be no link at all, whatever other entries offer. */
  iceServers: openList(IceServerSchema, MAX_ICE_SERVERS),
  roster: z.array(SignedRecord),
});
export type Welcome = z.infer<typeof Welcome>;

/** Of a code that this version doesn't know the general one is read: the code only says what is wrong. */
export const JoinRefusal = z.object({
  code: openName(['signature_invalid', 'protocol_violation', 'unauthorized', 'mesh_busy'], 'protocol_violation'),
  message: z.string().check(z.maxLength(500)),
  /**
   * Whether no time, no restart and no other network can ever make this key's join succeed, so that the member gives up.
   * One refusal is final today: that the same key has joined again, where each new try would only push the other one out.
   * A full entry has room again, clocks are set, entries are updated and told their names. Absent from entries of
   * November 2026, whose members give up on every code but `mesh_busy`.
   */
  final: z.optional(z.boolean()),
});
export type JoinRefusal = z.infer<typeof JoinRefusal>;

/**
 * What a refusal means for the member. An entry that does not say refuses a welcomed member as `protocol_violation` when
 * its key has joined again.
 */
export function isFinalRefusal({ final, code }: JoinRefusal, wasWelcomed: boolean): boolean {
  return final ?? (wasWelcomed && code === 'protocol_violation');
}

export const RosterDelta = z.object({
  upserted: z.array(SignedRecord),
  removed: z.array(PeerId),
});
export type RosterDelta = z.infer<typeof RosterDelta>;

/** Signed by the sender, relayed unread: an SDP or a candidate of link attempt `sessionId`. */
export const SessionDescription = z.object({
  type: z.literal('session-description'),
  from: PeerId,
  to: PeerId,
  sessionId: SessionId,
  role: z.enum(['offerer', 'answerer']),
  /** Numbers this sender's records of the attempt from 0; the offerer's number 0 opens it. */
  index: z.int().check(z.minimum(0), z.maximum(1000)),
  /** The transport that the payload is for; absent: `webrtc`, which everybody has. */
  way: z.optional(z.string().check(z.minLength(1), z.maxLength(32))),
  payload: z.string().check(z.maxLength(32 * 1024)),
});
export type SessionDescription = z.infer<typeof SessionDescription>;

/** `describe`: the entry needs the addressee without opening the record. */
export const Describe = z.object({ to: PeerId, record: SignedRecord });
export type Describe = z.infer<typeof Describe>;

/**
 * How an answer that this member asked the mesh for has ended, for the entry's figures; no word of it. Answers that the
 * asker stopped, or asked for wrongly, are not reported.
 */
export const AnswerReport = z.discriminatedUnion('servedBy', [
  z.object({
    servedBy: z.literal('mesh'),
    peerId: PeerId,
    model: ModelId,
    completionTokens: z.int().check(z.minimum(0)),
    ttftMs: Measured.shape.ttftMs,
    tokensPerSecond: z.nullable(Measured.shape.tokensPerSecond),
  }),
  z.object({ servedBy: z.literal('failed') }),
]);
export type AnswerReport = z.infer<typeof AnswerReport>;

/** Served by what only newer members know: no report that an entry of this version counts. */
export function isOfNewerReport(payload: unknown): boolean {
  if (typeof payload !== 'object' || payload === null || !('servedBy' in payload)) return false;
  const { servedBy } = payload;
  return typeof servedBy === 'string' && !SERVED_BY.has(servedBy);
}

const SERVED_BY: ReadonlySet<string> = new Set(
  AnswerReport.def.options.flatMap(({ shape }) => shape.servedBy.def.values),
);

export interface ServerToMemberEvents {
  challenge(challenge: Challenge): void;
  welcome(welcome: Welcome): void;
  refused(refusal: JoinRefusal): void;
  roster(delta: RosterDelta): void;
  description(record: SignedRecord): void;
}

export interface MemberToServerEvents {
  join(join: Join): void;
  announce(announcement: SignedRecord): void;
  describe(describe: Describe): void;
  report(report: AnswerReport): void;
}
