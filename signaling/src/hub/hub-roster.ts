/**
 * The live announcements of all members, and how changes reach them: at most one delta per interval, the first change
 * after a quiet time at once, so that a lost peer is gone from every roster without a wait.
 */
import {
  type Announcement,
  type Clock,
  MAX_SIGNALING_BYTES,
  type PeerId,
  type RosterDelta,
  type SignedRecord,
} from '@tabmesh/shared';
import { ROSTER_DELTA_INTERVAL_MS, ROSTER_RECORDS_SHARE, ROSTER_REMOVED_PER_DELTA } from '../limits/limits.ts';

/** One member's, as it was signed. */
interface LiveAnnouncement {
  readonly record: SignedRecord;
  readonly models: Announcement['models'];
  /** Encoded, for cutting messages to size. */
  readonly bytes: number;
  readonly cancelExpiry: () => void;
}

const RECORD_BUDGET_BYTES = MAX_SIGNALING_BYTES * ROSTER_RECORDS_SHARE;

export class HubRoster {
  readonly #clock: Clock;
  readonly #send: (delta: RosterDelta) => void;
  readonly #live = new Map<PeerId, LiveAnnouncement>();
  /** What is due: `undefined` means removed. The last change of a peer wins. */
  readonly #changed = new Map<PeerId, LiveAnnouncement | undefined>();
  #cancelDelta: (() => void) | undefined;
  #lastDeltaAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, send: (delta: RosterDelta) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  /** The lifetime runs from now by this clock: the peer's own may be wrong. */
  put({ peerId, lifetimeMs, models }: Announcement, record: SignedRecord): void {
    this.#live.get(peerId)?.cancelExpiry();
    const live = {
      record,
      models,
      bytes: Buffer.byteLength(JSON.stringify(record)),
      cancelExpiry: this.#clock.after(lifetimeMs, () => this.remove(peerId)),
    };
    this.#live.set(peerId, live);
    this.#noteChange(peerId, live);
  }

  remove(peerId: PeerId): void {
    const live = this.#live.get(peerId);
    if (live === undefined) return;
    live.cancelExpiry();
    this.#live.delete(peerId);
    this.#noteChange(peerId, undefined);
  }

  /** None for a peer that is not there. */
  modelsOf(peerId: PeerId): Announcement['models'] {
    return this.#live.get(peerId)?.models ?? [];
  }

  /** All records, in parts that each fit into one message; at least one part. */
  parts(): SignedRecord[][] {
    return cutToSize([...this.#live.values()]);
  }

  close(): void {
    this.#cancelDelta?.();
    for (const { cancelExpiry } of this.#live.values()) cancelExpiry();
    this.#live.clear();
    this.#changed.clear();
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
    for (let start = 0; start < removed.length; start += ROSTER_REMOVED_PER_DELTA) {
      this.#send({
        upserted: [],
        removed: removed.slice(start, start + ROSTER_REMOVED_PER_DELTA),
      });
    }
    for (const part of cutToSize(upserted)) {
      if (part.length > 0) this.#send({ upserted: part, removed: [] });
    }
  }
}

function cutToSize(announcements: readonly LiveAnnouncement[]): SignedRecord[][] {
  let part: SignedRecord[] = [];
  let partBytes = 0;
  const parts = [part];
  for (const { record, bytes } of announcements) {
    if (part.length > 0 && partBytes + bytes > RECORD_BUDGET_BYTES) {
      part = [];
      partBytes = 0;
      parts.push(part);
    }
    part.push(record);
    partBytes += bytes;
  }
  return parts;
}
