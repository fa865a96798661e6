/**
 * The live announcements of all members, and how changes reach them: at most one delta per interval, the first change
 * after a quiet time at once, so that a lost peer is gone from every roster without a wait. Changes are numbered, so that
 * a member that missed some can be told just those.
 */
import {
  type Announcement,
  type Clock,
  MAX_SIGNALING_BYTES,
  type PeerId,
  type RosterDelta,
  type SignedRecord,
} from '@tabmesh/shared';
import {
  ROSTER_DELTA_INTERVAL_MS,
  ROSTER_RECORDS_SHARE,
  ROSTER_REMOVALS_KEPT,
  ROSTER_REMOVED_PER_DELTA,
} from '../limits/limits.ts';

/** One member's, as it was signed. */
interface LiveAnnouncement {
  readonly record: SignedRecord;
  readonly models: Announcement['models'];
  /** Encoded, for cutting messages to size. */
  readonly bytes: number;
  readonly cancelExpiry: () => void;
  readonly change: number;
}

/**
 * Messages of bounded size, each made when it is asked for, so that nothing of them is kept for whoever reads slowly. In
 * the end all is known, or too many peers were removed meanwhile.
 */
export type MissedChanges = Generator<RosterDelta, 'known' | 'forgotten', undefined>;

const RECORD_BUDGET_BYTES = MAX_SIGNALING_BYTES * ROSTER_RECORDS_SHARE;

export class HubRoster {
  readonly #clock: Clock;
  readonly #send: (delta: RosterDelta, knownChange: number) => void;
  /** In the order of their changes. */
  readonly #live = new Map<PeerId, LiveAnnouncement>();
  /** By which change, in their order. */
  readonly #removals = new Map<PeerId, number>();
  /** Removals up to this change may be forgotten. */
  #forgottenChange = 0;
  #change = 0;
  /** The last one that was sent. */
  #sentChange = 0;
  /** What is due: `undefined` means removed. The last change of a peer wins. */
  readonly #changed = new Map<PeerId, LiveAnnouncement | undefined>();
  #cancelDelta: (() => void) | undefined;
  #lastDeltaAtMs = Number.NEGATIVE_INFINITY;

  /** @param send with the last change that was told before */
  constructor(clock: Clock, send: (delta: RosterDelta, knownChange: number) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  /** The lifetime runs from now by this clock: the peer's own may be wrong. */
  put({ peerId, lifetimeMs, models }: Announcement, record: SignedRecord): void {
    this.#live.get(peerId)?.cancelExpiry();
    this.#change += 1;
    const live = {
      record,
      change: this.#change,
      models,
      bytes: Buffer.byteLength(JSON.stringify(record)),
      cancelExpiry: this.#clock.after(lifetimeMs, () => this.remove(peerId)),
    };
    this.#live.delete(peerId);
    this.#live.set(peerId, live);
    this.#removals.delete(peerId);
    this.#noteChange(peerId, live);
  }

  remove(peerId: PeerId): void {
    const live = this.#live.get(peerId);
    if (live === undefined) return;
    live.cancelExpiry();
    this.#live.delete(peerId);
    this.#noteRemoval(peerId);
    this.#noteChange(peerId, undefined);
  }

  /** None for a peer that is not there. */
  modelsOf(peerId: PeerId): Announcement['models'] {
    return this.#live.get(peerId)?.models ?? [];
  }

  /** All records, for one that knows none, and what changes until they are told; at least one message. */
  *everything(): MissedChanges {
    const upTo = this.#change;
    let isEmpty = true;
    for (const delta of this.#recordsBetween(0, upTo)) {
      isEmpty = false;
      yield delta;
    }
    if (isEmpty) yield { upserted: [], removed: [] };
    return yield* this.changesSince(upTo);
  }

  *changesSince(knownChange: number): MissedChanges {
    for (let since = knownChange; since < this.#change; ) {
      if (since < this.#forgottenChange) return 'forgotten';
      const upTo = this.#change;
      const removed = [...this.#removals].filter(([, change]) => change > since).map(([peerId]) => peerId);
      yield* removalsOf(removed);
      yield* this.#recordsBetween(since, upTo);
      since = upTo;
    }
    return 'known';
  }

  close(): void {
    this.#cancelDelta?.();
    for (const { cancelExpiry } of this.#live.values()) cancelExpiry();
    this.#live.clear();
    this.#changed.clear();
  }

  /** Those that changed again meanwhile come in a later change, those that were removed in none. */
  *#recordsBetween(since: number, upTo: number): Generator<RosterDelta, void, undefined> {
    let part = new Part();
    for (const live of this.#live.values()) {
      if (live.change <= since) continue;
      if (live.change > upTo) break;
      if (!part.hasRoomFor(live)) {
        yield part.delta();
        part = new Part();
      }
      part.add(live);
    }
    if (!part.isEmpty) yield part.delta();
  }

  #noteRemoval(peerId: PeerId): void {
    this.#change += 1;
    this.#removals.set(peerId, this.#change);
    if (this.#removals.size <= ROSTER_REMOVALS_KEPT) return;
    for (const [forgotten, change] of this.#removals) {
      this.#removals.delete(forgotten);
      this.#forgottenChange = change;
      return;
    }
  }

  #noteChange(peerId: PeerId, live: LiveAnnouncement | undefined): void {
    this.#changed.set(peerId, live);
    if (this.#cancelDelta !== undefined) return;
    const dueAtMs = this.#lastDeltaAtMs + ROSTER_DELTA_INTERVAL_MS;
    this.#cancelDelta = this.#clock.after(Math.max(0, dueAtMs - this.#clock.monotonicMs()), () => this.#sendDelta());
  }

  #sendDelta(): void {
    this.#cancelDelta = undefined;
    this.#lastDeltaAtMs = this.#clock.monotonicMs();
    const removed: PeerId[] = [];
    const upserted: LiveAnnouncement[] = [];
    for (const [peerId, live] of this.#changed) {
      if (live === undefined) removed.push(peerId);
      else upserted.push(live);
    }
    this.#changed.clear();
    const knownChange = this.#sentChange;
    this.#sentChange = this.#change;
    for (const delta of removalsOf(removed)) this.#send(delta, knownChange);
    let part = new Part();
    for (const live of upserted) {
      if (!part.hasRoomFor(live)) {
        this.#send(part.delta(), knownChange);
        part = new Part();
      }
      part.add(live);
    }
    if (!part.isEmpty) this.#send(part.delta(), knownChange);
  }
}

/** Records that fit into one message. */
class Part {
  readonly #records: SignedRecord[] = [];
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#records.length === 0;
  }

  hasRoomFor({ bytes }: LiveAnnouncement): boolean {
    return this.isEmpty || this.#bytes + bytes <= RECORD_BUDGET_BYTES;
  }

  add({ record, bytes }: LiveAnnouncement): void {
    this.#records.push(record);
    this.#bytes += bytes;
  }

  delta(): RosterDelta {
    return { upserted: this.#records, removed: [] };
  }
}

function* removalsOf(removed: readonly PeerId[]): Generator<RosterDelta, void, undefined> {
  for (let start = 0; start < removed.length; start += ROSTER_REMOVED_PER_DELTA) {
    yield { upserted: [], removed: removed.slice(start, start + ROSTER_REMOVED_PER_DELTA) };
  }
}
