/**
 * All live announcements that a member knows. Records come in as signed; only what checks out and is newer is kept, and it
 * goes when the entry says so or when its lifetime is over.
 */
import { MeshError } from '../errors.ts';
import { MAX_ROSTER_PEERS } from '../limits.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Announcement, SignedRecord } from '../protocol/announcement.ts';
import { readAnnouncement } from '../protocol/decode.ts';
import type { ModelId, PeerId } from '../protocol/ids.ts';
import { type VerifySignature, verifySignature } from '../protocol/signature.ts';
import { type ServingPeer, servingAmong } from './served-models.ts';

export interface RosterOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The member's own id: its own announcement is not part of its roster. */
  readonly self: PeerId;
  /** Default: the one for any platform. */
  readonly verify?: VerifySignature | undefined;
  /** A peer with an open link is there, whether or not an entry renews what it announced. */
  isLinked(peerId: PeerId): boolean;
  onChange(): void;
  onRemoved(peerId: PeerId): void;
}

interface KnownPeer {
  readonly announcement: Announcement;
  /** On this end's monotonic clock: peers' wall clocks may be hours apart. */
  readonly expiresAtMs: number;
}

export class Roster {
  readonly #options: RosterOptions;
  readonly #known = new Map<PeerId, KnownPeer>();
  /** Kept for their link alone: the entry that was joined last does not know them. */
  readonly #unlisted = new Set<PeerId>();
  /** By model, as long as nothing changes: every prompt asks. */
  #serving = new Map<ModelId, readonly ServingPeer[]>();
  #cancelExpiry: (() => void) | undefined;
  #expiryAtMs = Number.POSITIVE_INFINITY;

  constructor(options: RosterOptions) {
    this.#options = options;
  }

  get(peerId: PeerId): Announcement | undefined {
    return this.#known.get(peerId)?.announcement;
  }

  announcements(): Announcement[] {
    return Array.from(this.#known.values(), ({ announcement }) => announcement);
  }

  /** The peers that announce the model, and what they announce of it. */
  serving(model: ModelId): readonly ServingPeer[] {
    const known = this.#serving.get(model) ?? servingAmong(this.announcements(), model);
    this.#serving.set(model, known);
    return known;
  }

  /** Takes over what the entry knows: peers that it does not list are gone. */
  replace(records: readonly SignedRecord[]): void {
    const listed = new Set<PeerId>();
    for (const record of records) {
      const peerId = this.#upsert(record);
      if (peerId !== undefined) listed.add(peerId);
    }
    for (const peerId of [...this.#known.keys()]) {
      if (listed.has(peerId)) continue;
      // An entry that was started again knows nobody yet.
      if (this.#options.isLinked(peerId)) this.#unlisted.add(peerId);
      else this.#remove(peerId);
    }
    this.#changed();
  }

  /** Nothing but the link kept a peer that the entry does not know. */
  handleLinkClosed(peerId: PeerId): void {
    if (!this.#unlisted.has(peerId)) return;
    this.#remove(peerId);
    this.#changed();
  }

  apply(delta: { upserted: readonly SignedRecord[]; removed: readonly PeerId[] }): void {
    for (const record of delta.upserted) this.#upsert(record);
    for (const peerId of delta.removed) this.#remove(peerId);
    this.#changed();
  }

  close(): void {
    this.#cancelExpiry?.();
    this.#cancelExpiry = undefined;
    this.#known.clear();
    this.#serving.clear();
  }

  #changed(): void {
    this.#serving.clear();
    this.#options.onChange();
  }

  /** The peer that the record is about, whether or not it brought news; undefined when it was refused. */
  #upsert(record: SignedRecord): PeerId | undefined {
    let announcement: Announcement;
    try {
      announcement = readAnnouncement(record);
      const { peerId, sequence } = announcement;
      if (peerId === this.#options.self) return undefined;
      const known = this.#known.get(peerId);
      if (known === undefined && this.#known.size >= MAX_ROSTER_PEERS) return undefined;
      // Before the signature, which costs a millisecond: nothing changes for a record that brings no news.
      if (known !== undefined && known.announcement.sequence >= sequence) return peerId;
      // It would count as several peers, and pages keep one row for each.
      if (new Set(announcement.models.map(({ id }) => id)).size < announcement.models.length) {
        throw MeshError.protocolViolation('it lists a model twice');
      }
      (this.#options.verify ?? verifySignature)(record, peerId);
    } catch (error) {
      if (!MeshError.is(error)) throw error;
      this.#options.logger.warn({ code: error.code }, `An announcement was refused: ${error.message}`);
      return undefined;
    }
    const { peerId } = announcement;
    const expiresAtMs = this.#options.clock.monotonicMs() + announcement.lifetimeMs;
    this.#known.set(peerId, { announcement, expiresAtMs });
    this.#unlisted.delete(peerId);
    if (expiresAtMs < this.#expiryAtMs) this.#scheduleExpiry(expiresAtMs);
    return peerId;
  }

  #remove(peerId: PeerId): void {
    this.#unlisted.delete(peerId);
    if (this.#known.delete(peerId)) this.#options.onRemoved(peerId);
  }

  #scheduleExpiry(atMs: number): void {
    this.#cancelExpiry?.();
    this.#expiryAtMs = atMs;
    this.#cancelExpiry = this.#options.clock.after(atMs - this.#options.clock.monotonicMs(), () => this.#expire());
  }

  #expire(): void {
    const nowMs = this.#options.clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    let expired = false;
    for (const [peerId, peer] of this.#known) {
      if (peer.expiresAtMs <= nowMs && this.#options.isLinked(peerId)) {
        const expiresAtMs = nowMs + peer.announcement.lifetimeMs;
        this.#known.set(peerId, { ...peer, expiresAtMs });
        nextMs = Math.min(nextMs, expiresAtMs);
      } else if (peer.expiresAtMs <= nowMs) {
        this.#remove(peerId);
        expired = true;
      } else {
        nextMs = Math.min(nextMs, peer.expiresAtMs);
      }
    }
    this.#expiryAtMs = Number.POSITIVE_INFINITY;
    this.#cancelExpiry = undefined;
    if (nextMs < Number.POSITIVE_INFINITY) this.#scheduleExpiry(nextMs);
    if (expired) this.#changed();
  }
}
