/**
 * A network that a test holds in its hand: an entry, and channels between members, both delivering by the injected clock.
 * Members can be delayed, cut off from each other, or killed without a word.
 */
import { MeshError } from '../errors.ts';
import { CHANNEL_LOW_WATER_BYTES, MAX_FRAME_BYTES } from '../limits.ts';
import type { Clock } from '../ports/clock.ts';
import type { Signaling, SignalingHandlers } from '../ports/signaling.ts';
import type { Channel, Transport, TransportHandlers } from '../ports/transport.ts';
import type { SignedRecord } from '../protocol/announcement.ts';
import { decodeAnnouncement, parseJson } from '../protocol/decode.ts';
import type { PeerId } from '../protocol/ids.ts';
import { type AnswerReport, JoinProof } from '../protocol/signaling.ts';

interface Member {
  readonly name: string;
  handlers: SignalingHandlers | undefined;
  peerId: PeerId | undefined;
  announcement: SignedRecord | undefined;
  alive: boolean;
}

interface End {
  readonly member: Member;
  readonly handlers: TransportHandlers;
  other: End | undefined;
  state: 'connecting' | 'open' | 'closed';
  bufferedBytes: number;
}

export class VirtualNetwork {
  readonly #clock: Clock;
  readonly #members = new Map<string, Member>();
  readonly #offers = new Map<string, End>();
  readonly #partitions = new Set<string>();
  #offerCount = 0;
  /** What the entry heard, by the member's name. */
  readonly reports: { readonly from: string; readonly report: AnswerReport }[] = [];
  /** One way, for channels and signaling alike. */
  delayMs = 1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The two ports of one member. */
  join(name: string): { transport: Transport; signaling: Signaling } {
    const member: Member = {
      name,
      handlers: undefined,
      peerId: undefined,
      announcement: undefined,
      alive: true,
    };
    this.#members.set(name, member);
    return {
      transport: this.#transport(member),
      signaling: this.#signaling(member),
    };
  }

  /** The member stops without a word: its channels fall silent, the entry sees its connection break. */
  kill(name: string): void {
    const member = this.#member(name);
    member.alive = false;
    this.#leave(member);
  }

  /** The member loses the entry; its channels go on. */
  disconnect(name: string): void {
    const member = this.#member(name);
    this.#leave(member);
    member.handlers?.onOffline('the entry is gone');
  }

  reconnect(name: string): void {
    this.#arrive(this.#member(name));
  }

  /** Channels between the two lose everything until `heal`. */
  partition(one: string, other: string): void {
    this.#partitions.add(pairOf(one, other));
  }

  heal(one: string, other: string): void {
    this.#partitions.delete(pairOf(one, other));
  }

  #member(name: string): Member {
    const member = this.#members.get(name);
    if (member === undefined) throw new Error(`There is no member '${name}'.`);
    return member;
  }

  #later(member: Member, deliver: () => void): void {
    this.#clock.after(this.delayMs, () => {
      if (member.alive) deliver();
    });
  }

  #signaling(member: Member): Signaling {
    return {
      start: (handlers) => {
        member.handlers = handlers;
        this.#arrive(member);
      },
      announce: (record) => {
        if (!member.alive || member.peerId === undefined) return;
        member.announcement = record;
        this.#broadcast(member, { upserted: [record], removed: [] });
      },
      describe: (to, record) => {
        for (const other of this.#members.values()) {
          if (member.alive && member.peerId !== undefined && other.peerId === to) {
            this.#later(other, () => other.handlers?.onDescription(record));
          }
        }
      },
      report: (report) => {
        if (member.alive && member.peerId !== undefined) this.reports.push({ from: member.name, report });
      },
      close: () => {
        this.#leave(member);
        member.handlers = undefined;
      },
    };
  }

  #arrive(member: Member): void {
    this.#later(member, () => {
      if (member.handlers === undefined) return;
      const { proof, announcement } = member.handlers.onChallenge({
        nonce: '0'.repeat(64),
        nowMs: this.#clock.wallMs(),
      });
      member.peerId = parseJson(JoinProof, proof.body).peerId;
      if (decodeAnnouncement(announcement).peerId !== member.peerId) throw new Error('Proof and announcement differ.');
      member.announcement = announcement;
      const roster = [...this.#members.values()].flatMap((other) =>
        other === member || other.announcement === undefined ? [] : [other.announcement],
      );
      this.#later(member, () =>
        member.handlers?.onWelcome({
          entryPeerId: null,
          iceServers: [],
          roster,
        }),
      );
      this.#broadcast(member, { upserted: [announcement], removed: [] });
    });
  }

  #leave(member: Member): void {
    const { peerId } = member;
    member.peerId = undefined;
    member.announcement = undefined;
    if (peerId !== undefined) this.#broadcast(member, { upserted: [], removed: [peerId] });
  }

  #broadcast(from: Member, delta: { upserted: SignedRecord[]; removed: PeerId[] }): void {
    for (const member of this.#members.values()) {
      if (member !== from && member.peerId !== undefined) {
        this.#later(member, () => member.handlers?.onRoster(delta));
      }
    }
  }

  #transport(member: Member): Transport {
    return {
      open: ({ initiator }, handlers) => {
        const end: End = {
          member,
          handlers,
          other: undefined,
          state: 'connecting',
          bufferedBytes: 0,
        };
        if (initiator) {
          const offer = `offer-${++this.#offerCount}`;
          this.#offers.set(offer, end);
          this.#clock.after(0, () => handlers.onSignal(offer));
        }
        return this.#channel(end);
      },
    };
  }

  #channel(end: End): Channel {
    return {
      signal: (payload) => {
        const offerer = this.#offers.get(payload);
        if (offerer === undefined || offerer.state === 'closed') {
          this.#close(end, MeshError.connectionFailed('the offer makes no sense'));
          return;
        }
        this.#offers.delete(payload);
        end.other = offerer;
        offerer.other = end;
        for (const side of [end, offerer]) {
          this.#later(side.member, () => {
            if (side.state !== 'connecting' || this.#isCut(side)) return;
            side.state = 'open';
            side.handlers.onOpen();
          });
        }
      },
      send: (bytes) => {
        if (end.state !== 'open') throw MeshError.closed('channel');
        if (bytes.length > MAX_FRAME_BYTES) throw new RangeError('A frame is too long.');
        const copy = bytes.slice();
        end.bufferedBytes += copy.length;
        this.#clock.after(this.delayMs, () => {
          this.#drain(end, copy.length);
          const { other } = end;
          if (!end.member.alive || this.#isCut(end)) return;
          if (other?.member.alive && other.state === 'open') other.handlers.onMessage(copy);
        });
      },
      bufferedBytes: () => end.bufferedBytes,
      close: () => this.#close(end, undefined),
    };
  }

  #drain(end: End, bytes: number): void {
    const wasFull = end.bufferedBytes > CHANNEL_LOW_WATER_BYTES;
    end.bufferedBytes -= bytes;
    if (!wasFull || end.bufferedBytes > CHANNEL_LOW_WATER_BYTES || !end.member.alive) return;
    if (end.state === 'open') end.handlers.onDrain();
  }

  #close(end: End, error: Error | undefined): void {
    if (end.state === 'closed') return;
    end.state = 'closed';
    const { other } = end;
    this.#clock.after(0, () => end.handlers.onClose(error));
    if (other === undefined || !end.member.alive) return;
    this.#later(other.member, () => {
      if (!this.#isCut(end)) this.#close(other, undefined);
    });
  }

  #isCut(end: End): boolean {
    return end.other !== undefined && this.#partitions.has(pairOf(end.member.name, end.other.member.name));
  }
}

function pairOf(one: string, other: string): string {
  return [one, other].sort().join(' ');
}
