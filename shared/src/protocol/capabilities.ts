/**
 * What a member says it can do or understand beyond the messages that every version knows, in its handshake and in its
 * announcements. Whatever the other end did not name is not used with it; names that this end does not know are skipped.
 * So members of different versions share what both have, and no version number has to forbid a link.
 */
import { z } from 'zod/mini';
import { MAX_CAPABILITIES, MAX_NAME_CHARS } from '../limits.ts';
import { openList } from './open-list.ts';

/** Named byte streams beside the messages of a link. */
export const STREAMS = 'streams';

/** Frames that hold several messages. */
export const PACKED_FRAMES = 'packed-frames';

/** That a link may come about by this transport. The first one of every member, `webrtc`, need not be named. */
export function wayCapability(way: string): string {
  return `way:${way}`;
}

/** What this version can do. */
export const CAPABILITIES: readonly string[] = [STREAMS, PACKED_FRAMES];

/** Entries that are no names, and those past `MAX_CAPABILITIES`, are skipped; they refuse nothing. */
export const Capabilities = openList(z.string().check(z.minLength(1), z.maxLength(MAX_NAME_CHARS)), MAX_CAPABILITIES);
