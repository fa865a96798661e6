/**
 * A network that a test holds in its hand: entries, and channels between members, both delivering by the injected clock.
 * Members can be delayed, cut off from each other, or killed without a word.
 */
import { MeshError } from '../errors.ts';
import { CHANNEL_LOW_WATER_BYTES, MAX_FRAME_BYTES } from '../limits.ts';
import type { Clock } from '../ports/clock.ts';
import type { Refusal, Signaling } from '../ports/signaling.ts';
import type { Channel, Transport, TransportHandlers, Transports } from '../ports/transport.ts';
import type { PeerId } from '../protocol/ids.ts';
import type { AnswerReport } from '../protocol/signaling.ts';
import { VirtualEntry } from './virtual-entry.ts';

interface Member {
  readonly name: string;
  alive: boolean;
}

/** What a virtual world has of what may be several. */
export interface VirtualShape {
  /** For titles of tests. */
  readonly name: string;
  readonly entries: number;
  /** Ways to connect, tried in this order. */
  readonly ways: readonly [string, ...string[]];
  /** Those on which nothing gets through. */
  readonly blockedWays?: readonly string[];
}

const PLAIN: VirtualShape = { name: 'one entry, one way', entries: 1, ways: ['virtual'] };

/** What stories of a mesh are told in: whichever it is, they end the same. */
export const VIRTUAL_SHAPES: readonly VirtualShape[] = [
  PLAIN,
  { name: 'two entries', entries: 2, ways: ['virtual'] },
  { name: 'the second of two ways', entries: 1, ways: ['virtual', 'detour'], blockedWays: ['virtual'] },
];

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
  readonly #shape: VirtualShape;
  readonly #entries: readonly VirtualEntry[];
  readonly #offers = new Map<string, End>();
  readonly #blockedWays: Set<string>;
  readonly #partitions = new Set<string>();
  #offerCount = 0;
  /** What the entries heard, by the member's name. */
  readonly reports: { readonly from: string; readonly entry: number; readonly report: AnswerReport }[] = [];
  /** One way, for channels and signaling alike. */
  delayMs = 1;

  constructor(clock: Clock, shape = PLAIN) {
    this.#clock = clock;
    this.#shape = shape;
    this.#blockedWays = new Set(shape.blockedWays);
    const open = (entry: number) =>
      new VirtualEntry({
        clock,
        address: `entry-${entry + 1}.example`,
        delayMs: () => this.delayMs,
        isAlive: (name) => this.#member(name).alive,
        onReport: (from, report) => this.reports.push({ from, entry, report }),
      });
    this.#entries = Array.from({ length: shape.entries }, (_, index) => open(index));
  }

  /**
   * The ports of one member: a transport for each way, a signaling for each entry.
   * @param chosen the entries by index; all when absent
   */
  join(
    name: string,
    chosen: readonly number[] = [...this.#entries.keys()],
  ): { signaling: readonly [Signaling, ...Signaling[]]; transports: Transports } {
    const member: Member = { name, alive: true };
    this.#members.set(name, member);
    const { ways } = this.#shape;
    const joined = chosen.flatMap((index) => this.#entries[index] ?? []);
    return {
      signaling: joined.map((entry) => entry.signaling(name)) as [Signaling, ...Signaling[]],
      transports: [this.#transport(member, ways[0]), ...ways.slice(1).map((way) => this.#transport(member, way))],
    };
  }

  /** The member stops without a word: its channels fall silent, the entry sees its connection break. */
  kill(name: string): void {
    const member = this.#member(name);
    member.alive = false;
    for (const entry of this.#entries) entry.drop(name);
  }

  /** What was stopped like this goes on: it finds its connections gone, and tries its entries again. */
  wake(name: string): void {
    this.#member(name).alive = true;
    this.disconnect(name);
    this.reconnect(name);
  }

  /** The member loses its entries, or the one with that index; its channels go on. */
  disconnect(name: string, index?: number): void {
    for (const entry of this.#chosen(index)) entry.disconnect(name);
  }

  /** The member's entries refuse it, or the one with that index does. */
  refuse(name: string, refusal: Refusal, index?: number): void {
    for (const entry of this.#chosen(index)) entry.refuse(name, refusal);
  }

  /** The entries say that this peer is theirs. */
  nameEntry(peerId: PeerId): void {
    for (const entry of this.#entries) entry.entryPeerId = peerId;
  }

  reconnect(name: string, index?: number): void {
    for (const entry of this.#chosen(index)) entry.reconnect(name);
  }

  /** Whether the entry with that index passes descriptions on. */
  relay(index: number, passesOn: boolean): void {
    for (const entry of this.#chosen(index)) entry.dropsDescriptions = !passesOn;
  }

  block(way: string): void {
    this.#blockedWays.add(way);
  }

  unblock(way: string): void {
    this.#blockedWays.delete(way);
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

  #chosen(index: number | undefined): readonly VirtualEntry[] {
    return index === undefined ? this.#entries : this.#entries.slice(index, index + 1);
  }

  #transport(member: Member, way: string): Transport {
    return {
      way,
      open: ({ initiator }, handlers) => {
        const end: End = {
          member,
          handlers,
          other: undefined,
          state: 'connecting',
          bufferedBytes: 0,
        };
        if (this.#blockedWays.has(way)) {
          this.#close(end, MeshError.connectionFailed('nothing gets through'));
        } else if (initiator) {
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
