/**
 * The ports of a member of yesterday: a filter before those of any member. What yesterday's decoders would have refused is
 * refused, what they would have dropped is gone, and nothing leaves that yesterday's members did not send.
 */
import type { Identity } from '../identity/identity.ts';
import type { Signaling, SignalingHandlers } from '../ports/signaling.ts';
import type { Channel, TransportHandlers, Transports } from '../ports/transport.ts';
import type { SignedRecord } from '../protocol/announcement.ts';
import type { PeerId } from '../protocol/ids.ts';
import { signatureInvalid, type VerifySignature, verifySignature } from '../protocol/signature.ts';
import {
  YESTERDAYS_SIGNALING,
  YesterdaysAnnouncement,
  YesterdaysFrameReader,
  YesterdaysPeerMessage,
  YesterdaysSessionDescription,
  yesterdaysFrames,
} from './yesterdays-wire.ts';

export interface YesterdaysPorts {
  readonly transports: Transports;
  readonly signaling: readonly Signaling[];
  /** To be the member's own: what it gets is shortened, and its signature was checked before that. */
  readonly verify: VerifySignature;
  /** What yesterday's decoders refused, a word for each. */
  readonly refused: string[];
  /** What this end would have sent and no member of yesterday did. */
  readonly strays: string[];
}

interface Schema {
  safeParse(value: unknown): { success: boolean; data?: unknown };
}

/** It has the first entry and the first way only. */
export function asYesterday(
  identity: Identity,
  {
    transports: [transport],
    signaling: [entry],
  }: { readonly transports: Transports; readonly signaling: readonly [Signaling, ...Signaling[]] },
): YesterdaysPorts {
  const refused: string[] = [];
  const strays: string[] = [];
  /** Signed by whom they name, and shortened since. */
  const checked = new Map<string, PeerId>();

  /** As yesterday's member would have signed it. */
  function outgoing(record: SignedRecord, schema: Schema, what: string): SignedRecord | undefined {
    const { success, data } = schema.safeParse(JSON.parse(record.body));
    if (!success) strays.push(what);
    return success ? identity.sign(data as object) : undefined;
  }

  /** As yesterday's member would have read it; undefined when it would not have. */
  function incoming(record: SignedRecord, schema: Schema, signer: string, what: string): SignedRecord | undefined {
    const { success, data } = schema.safeParse(JSON.parse(record.body));
    if (!success) {
      refused.push(what);
      return undefined;
    }
    const peerId = (data as Record<string, PeerId>)[signer] as PeerId;
    const body = JSON.stringify(data);
    verifySignature(record, peerId);
    checked.set(body, peerId);
    return { body, signature: record.signature };
  }

  const readable = (records: readonly SignedRecord[]) =>
    records.flatMap((record) => incoming(record, YesterdaysAnnouncement, 'peerId', 'announcement') ?? []);

  function yesterdaysHandlers(handlers: SignalingHandlers): SignalingHandlers {
    return {
      ...handlers,
      onChallenge(challenge, entry) {
        const { proof, announcement } = handlers.onChallenge(challenge, entry);
        return {
          proof: outgoing(proof, YESTERDAYS_SIGNALING.proof, 'proof') ?? proof,
          announcement: outgoing(announcement, YesterdaysAnnouncement, 'announcement') ?? announcement,
        };
      },
      onWelcome: (welcome) => handlers.onWelcome({ ...welcome, roster: readable(welcome.roster) }),
      onRoster: ({ upserted, removed }) => handlers.onRoster({ upserted: readable(upserted), removed }),
      onRefused(refusal) {
        const { success } = YESTERDAYS_SIGNALING.refused.safeParse(refusal);
        if (success) handlers.onRefused({ ...refusal, final: refusal.code !== 'mesh_busy' });
        else refused.push('refusal');
      },
      onDescription(record) {
        const description = incoming(record, YesterdaysSessionDescription, 'from', 'session description');
        if (description !== undefined) handlers.onDescription(description);
      },
    };
  }

  return {
    refused,
    strays,
    verify(record, peerId) {
      if (checked.get(record.body) !== peerId) throw signatureInvalid();
    },
    signaling: [
      {
        ...entry,
        start: (handlers) => entry.start(yesterdaysHandlers(handlers)),
        announce(record) {
          const announcement = outgoing(record, YesterdaysAnnouncement, 'announcement');
          if (announcement !== undefined) entry.announce(announcement);
        },
        describe(to, record) {
          const description = outgoing(record, YesterdaysSessionDescription, 'session description');
          if (description !== undefined) entry.describe(to, description);
        },
      },
    ],
    transports: [
      {
        ...transport,
        open: (options, handlers) =>
          yesterdaysChannel((inner) => transport.open(options, inner), handlers, { refused, strays }),
      },
    ],
  };
}

/** No version reads it: what yesterday's end refused counts beneath this filter as it did there. */
const NONSENSE = Uint8Array.of(0, 0xff);
const NO_FRAME = new Uint8Array();

function yesterdaysChannel(
  open: (handlers: TransportHandlers) => Channel,
  handlers: TransportHandlers,
  { refused, strays }: Pick<YesterdaysPorts, 'refused' | 'strays'>,
): Channel {
  const heard = new YesterdaysFrameReader();
  const said = new YesterdaysFrameReader();
  const channel = open({
    ...handlers,
    onMessage(frame) {
      let message: unknown;
      try {
        message = heard.push(frame);
      } catch {
        refused.push('frame');
        handlers.onMessage(NO_FRAME);
        return;
      }
      if (message === undefined) return;
      const { success, data } = YesterdaysPeerMessage.safeParse(message);
      if (!success) refused.push(typeOf(message));
      for (const piece of success ? yesterdaysFrames(data) : [NONSENSE]) handlers.onMessage(piece);
    },
  });
  return {
    ...channel,
    send(frame) {
      const message = said.push(frame);
      if (message === undefined) return;
      const { success, data } = YesterdaysPeerMessage.safeParse(message);
      if (!success) strays.push(typeOf(message));
      else for (const piece of yesterdaysFrames(data)) channel.send(piece);
    },
  };
}

function typeOf(message: unknown): string {
  return typeof message === 'object' && message !== null && 'type' in message ? String(message.type) : 'no object';
}
