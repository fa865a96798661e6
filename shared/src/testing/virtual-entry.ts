/** An entry that a test holds in its hand: whoever joins hears of all others, and descriptions are passed on. */
import type { Clock } from '../ports/clock.ts';
import type { Refusal, Signaling, SignalingHandlers } from '../ports/signaling.ts';
import type { SignedRecord } from '../protocol/announcement.ts';
import { decodeAnnouncement, parseJson } from '../protocol/decode.ts';
import type { PeerId } from '../protocol/ids.ts';
import { type AnswerReport, JoinProof } from '../protocol/signaling.ts';

export interface VirtualEntryOptions {
  readonly clock: Clock;
  /** Host and port. */
  readonly address: string;
  /** One way. */
  delayMs(): number;
  isAlive(name: string): boolean;
  onReport(from: string, report: AnswerReport): void;
}

interface Seat {
  readonly name: string;
  handlers: SignalingHandlers | undefined;
  /** Undefined while it is not there. */
  peerId: PeerId | undefined;
  announcement: SignedRecord | undefined;
}

export class VirtualEntry {
  readonly #options: VirtualEntryOptions;
  readonly #seats = new Map<string, Seat>();
  /** What it says of itself to whoever joins from now on. */
  entryPeerId: PeerId | null = null;
  /** It vouches for its members and lets none of their descriptions through. */
  dropsDescriptions = false;

  constructor(options: VirtualEntryOptions) {
    this.#options = options;
  }

  signaling(name: string): Signaling {
    const seat: Seat = { name, handlers: undefined, peerId: undefined, announcement: undefined };
    this.#seats.set(name, seat);
    const isHere = () => this.#options.isAlive(name) && seat.peerId !== undefined;
    return {
      start: (handlers) => {
        seat.handlers = handlers;
        this.#arrive(seat);
      },
      announce: (record) => {
        if (!isHere()) return;
        seat.announcement = record;
        this.#broadcast(seat, { upserted: [record], removed: [] });
      },
      describe: (to, record) => {
        if (this.dropsDescriptions) return;
        for (const other of this.#seats.values()) {
          if (isHere() && other.peerId === to) this.#later(other, () => other.handlers?.onDescription(record));
        }
      },
      report: (report) => {
        if (isHere()) this.#options.onReport(name, report);
      },
      close: () => {
        this.#leave(seat);
        seat.handlers = undefined;
      },
    };
  }

  /** The entry sees the member's connection break. */
  drop(name: string): void {
    const seat = this.#seats.get(name);
    if (seat !== undefined) this.#leave(seat);
  }

  /** The entry refuses or expels the member, which is told. */
  refuse(name: string, refusal: Refusal): void {
    this.drop(name);
    const handlers = this.#seats.get(name)?.handlers;
    handlers?.onRefused(refusal);
    if (!refusal.final) handlers?.onOffline(refusal.message);
  }

  /** The member loses this entry, and is told. */
  disconnect(name: string): void {
    this.drop(name);
    this.#seats.get(name)?.handlers?.onOffline('the entry is gone');
  }

  reconnect(name: string): void {
    const seat = this.#seats.get(name);
    if (seat !== undefined) this.#arrive(seat);
  }

  #later(seat: Seat, deliver: () => void): void {
    const { clock, delayMs, isAlive } = this.#options;
    clock.after(delayMs(), () => {
      if (isAlive(seat.name)) deliver();
    });
  }

  #arrive(seat: Seat): void {
    this.#later(seat, () => {
      if (seat.handlers === undefined) return;
      const { address, clock } = this.#options;
      const { proof, announcement } = seat.handlers.onChallenge(
        { nonce: '0'.repeat(64), nowMs: clock.wallMs() },
        address,
      );
      const { peerId, entry = address } = parseJson(JoinProof, proof.body);
      if (entry !== address) throw new Error(`A proof for ${entry} came to ${address}.`);
      seat.peerId = peerId;
      if (decodeAnnouncement(announcement).peerId !== seat.peerId) throw new Error('Proof and announcement differ.');
      seat.announcement = announcement;
      const roster = [...this.#seats.values()].flatMap((other) =>
        other === seat || other.announcement === undefined ? [] : [other.announcement],
      );
      this.#later(seat, () => seat.handlers?.onWelcome({ entryPeerId: this.entryPeerId, iceServers: [], roster }));
      this.#broadcast(seat, { upserted: [announcement], removed: [] });
    });
  }

  #leave(seat: Seat): void {
    const { peerId } = seat;
    seat.peerId = undefined;
    seat.announcement = undefined;
    if (peerId !== undefined) this.#broadcast(seat, { upserted: [], removed: [peerId] });
  }

  #broadcast(from: Seat, delta: { upserted: SignedRecord[]; removed: PeerId[] }): void {
    for (const seat of this.#seats.values()) {
      if (seat !== from && seat.peerId !== undefined) this.#later(seat, () => seat.handlers?.onRoster(delta));
    }
  }
}
