/**
 * All live announcements that a member knows, each with the sources (entries) that vouch for it. Records come in as signed;
 * only what checks out and is newer is kept. A record goes when no source vouches for it any more: each takes its word back,
 * or does not renew it within the record's lifetime. No source can make it live longer, nor crowd out what others know.
 */
import { MeshError } from '../errors.ts';
import { MAX_GONE_PEERS, MAX_ROSTER_PEERS } from '../limits.ts';
import { LruMap } from '../lru-map.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Announcement, SignedRecord } from '../protocol/announcement.ts';
import { readAnnouncement } from '../protocol/decode.ts';
import type { ModelId, PeerId, SourceId } from '../protocol/ids.ts';
import { type VerifySignature, verifySignature } from '../protocol/signature.ts';
import { RosterShares } from './roster-shares.ts';
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

/** That the peer is there. */
interface SourceWord {
  /** On this end's monotonic clock: peers' wall clocks may be hours apart. */
  readonly untilMs: number;
  /** Of the newest record that the source brought. */
  readonly sequence: number;
}

/** The newest record of a peer that this end has seen, and until when that is fresh: its lifetime counts from then. */
interface Freshness {
  readonly sequence: number;
  readonly untilMs: number;
}

interface KnownPeer {
  announcement: Announcement;
  newest: Freshness;
  /** Empty: the peer is kept for its open link alone. */
  readonly vouchers: Map<SourceId, SourceWord>;
}

/** A record that brings no news but renews a word costs a check of its signature: not while so much of it is left. */
const FRESH_SHARE = 0.75;

export class Roster {
  readonly #options: RosterOptions;
  readonly #known = new Map<PeerId, KnownPeer>();
  /** Of peers that are gone: their records must not bring them back. */
  readonly #gone = new LruMap<PeerId, Freshness>(MAX_GONE_PEERS);
  readonly #shares = new RosterShares();
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

  /** Whether one of the sources that vouch for the peer is as wanted. */
  someSource(peerId: PeerId, isWanted: (source: SourceId) => boolean): boolean {
    for (const source of this.#known.get(peerId)?.vouchers.keys() ?? []) if (isWanted(source)) return true;
    return false;
  }

  /** Takes over what the source knows: it vouches for nobody that it does not list. */
  replace(source: SourceId, records: readonly SignedRecord[]): void {
    const listed = new Set<PeerId>();
    for (const record of records) {
      const peerId = this.#upsert(source, record);
      if (peerId !== undefined) listed.add(peerId);
    }
    for (const [peerId, { vouchers }] of this.#known) {
      if (listed.has(peerId) || !vouchers.delete(source)) continue;
      this.#shares.update(peerId, vouchers);
      if (vouchers.size > 0) continue;
      // An entry that was started again knows nobody yet.
      if (!this.#options.isLinked(peerId)) this.#remove(peerId);
    }
    this.#changed();
  }

  /** Nothing but the link kept a peer that no source vouches for. */
  handleLinkClosed(peerId: PeerId): void {
    if (this.#known.get(peerId)?.vouchers.size !== 0) return;
    this.#remove(peerId);
    this.#changed();
  }

  apply(source: SourceId, delta: { upserted: readonly SignedRecord[]; removed: readonly PeerId[] }): void {
    for (const record of delta.upserted) this.#upsert(source, record);
    for (const peerId of delta.removed) this.#takeBack(source, peerId);
    this.#changed();
  }

  close(): void {
    this.#cancelExpiry?.();
    this.#cancelExpiry = undefined;
    this.#known.clear();
    this.#shares.clear();
    this.#serving.clear();
  }

  #changed(): void {
    this.#serving.clear();
    this.#options.onChange();
  }

  /** The peer that the record is about, whether or not it brought news; undefined when it was refused. */
  #upsert(source: SourceId, record: SignedRecord): PeerId | undefined {
    let announcement: Announcement;
    try {
      announcement = readAnnouncement(record);
      const { peerId, sequence } = announcement;
      if (peerId === this.#options.self) return undefined;
      const known = this.#known.get(peerId);
      // Before the signature, which costs a millisecond: nothing changes for a record that brings no news.
      const newest = known?.newest ?? this.#gone.peek(peerId);
      if (newest !== undefined && sequence <= newest.sequence && newest.untilMs <= this.#options.clock.monotonicMs()) {
        return known && peerId;
      }
      if (known === undefined && !this.#hasRoom(source)) return undefined;
      if (known !== undefined && known.announcement.sequence >= sequence) {
        // A repeated record renews nobody's word, but the first word of another source counts, and so does that of a source
        // to which the peer's newest record is still under way: each entry gets one of its own.
        const word = known.vouchers.get(source);
        if (word !== undefined && !this.#mayRenew(word, known, sequence)) return peerId;
        this.#verify(record, peerId);
        this.#vouch(source, peerId, known, sequence);
        return peerId;
      }
      // It would count as several peers, and pages keep one row for each.
      if (new Set(announcement.models.map(({ id }) => id)).size < announcement.models.length) {
        throw MeshError.protocolViolation('it lists a model twice');
      }
      this.#verify(record, peerId);
    } catch (error) {
      if (!MeshError.is(error)) throw error;
      this.#options.logger.warn({ code: error.code }, `An announcement was refused: ${error.message}`);
      return undefined;
    }
    this.#keep(source, announcement);
    return announcement.peerId;
  }

  #keep(source: SourceId, announcement: Announcement): void {
    const { peerId, sequence, lifetimeMs } = announcement;
    const known = this.#known.get(peerId);
    if (known === undefined) this.#makeRoom(source);
    const before = known?.newest ?? this.#gone.peek(peerId);
    // Of a peer that is gone another source may bring a record that is older than the newest, and no fresher.
    const newest =
      before !== undefined && sequence <= before.sequence
        ? before
        : { sequence, untilMs: this.#options.clock.monotonicMs() + lifetimeMs };
    const peer: KnownPeer = { announcement, newest, vouchers: known?.vouchers ?? new Map() };
    this.#known.set(peerId, peer);
    this.#vouch(source, peerId, peer, sequence);
  }

  /** Beyond its half of a full roster a source makes room for the peers of another one. */
  #hasRoom(source: SourceId): boolean {
    return this.#known.size < MAX_ROSTER_PEERS || this.#shares.beyond(MAX_ROSTER_PEERS / 2, source) !== undefined;
  }

  /** The newest goes, which the flood has brought. Links are few: there is one without. */
  #makeRoom(source: SourceId): void {
    if (this.#known.size < MAX_ROSTER_PEERS) return;
    const peers = [...(this.#shares.beyond(MAX_ROSTER_PEERS / 2, source) ?? [])];
    const leaving = peers.findLast((peerId) => !this.#options.isLinked(peerId));
    if (leaving !== undefined) this.#remove(leaving);
  }

  #mayRenew(word: SourceWord, { announcement }: KnownPeer, sequence: number): boolean {
    const leftMs = word.untilMs - this.#options.clock.monotonicMs();
    return sequence > word.sequence && leftMs < FRESH_SHARE * announcement.lifetimeMs;
  }

  #verify(record: SignedRecord, peerId: PeerId): void {
    (this.#options.verify ?? verifySignature)(record, peerId);
  }

  /** No longer than the newest record of the peer is fresh, whichever the source has brought and when. */
  #vouch(source: SourceId, peerId: PeerId, { newest: { untilMs }, vouchers }: KnownPeer, sequence: number): void {
    vouchers.set(source, { untilMs, sequence });
    this.#shares.update(peerId, vouchers);
    if (untilMs < this.#expiryAtMs) this.#scheduleExpiry(untilMs);
  }

  /** A peer that the source has lost is lost, linked or not, unless another one has it. */
  #takeBack(source: SourceId, peerId: PeerId): void {
    const peer = this.#known.get(peerId);
    if (peer === undefined) return;
    peer.vouchers.delete(source);
    this.#shares.update(peerId, peer.vouchers);
    if (peer.vouchers.size === 0) this.#remove(peerId);
  }

  #remove(peerId: PeerId): void {
    const peer = this.#known.get(peerId);
    if (peer === undefined) return;
    this.#known.delete(peerId);
    this.#gone.set(peerId, peer.newest);
    peer.vouchers.clear();
    this.#shares.update(peerId, peer.vouchers);
    this.#options.onRemoved(peerId);
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
    for (const [peerId, { announcement, vouchers }] of this.#known) {
      const isLinked = this.#options.isLinked(peerId);
      const wasVouchedFor = vouchers.size > 0;
      for (const [source, { untilMs, sequence }] of vouchers) {
        if (untilMs > nowMs) nextMs = Math.min(nextMs, untilMs);
        else if (isLinked) {
          vouchers.set(source, { untilMs: nowMs + announcement.lifetimeMs, sequence });
          nextMs = Math.min(nextMs, nowMs + announcement.lifetimeMs);
        } else vouchers.delete(source);
      }
      this.#shares.update(peerId, vouchers);
      if (vouchers.size > 0 || !wasVouchedFor) continue;
      this.#remove(peerId);
      expired = true;
    }
    this.#expiryAtMs = Number.POSITIVE_INFINITY;
    this.#cancelExpiry = undefined;
    if (nextMs < Number.POSITIVE_INFINITY) this.#scheduleExpiry(nextMs);
    if (expired) this.#changed();
  }
}
