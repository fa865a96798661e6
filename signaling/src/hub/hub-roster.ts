/**
 * The live announcements of all members, and how changes reach them: at most one delta per 25 ms, the first change after
 * a quiet time at once, so that a lost peer is gone from every roster without a wait.
 */
import {
  type Announcement,
  type Clock,
  MAX_SIGNALING_BYTES,
  type PeerId,
  type RosterDelta,
  type SignedRecord,
} from '@tabmesh/shared';

interface Entry {
  readonly record: SignedRecord;
  readonly models: Announcement['models'];
  /** Encoded, for cutting messages to size. */
  readonly bytes: number;
  readonly cancelExpiry: () => void;
}

const DELTA_INTERVAL_MS = 25;
/** Leaves room for the frame and the ids of removed peers. */
const RECORD_BUDGET_BYTES = MAX_SIGNALING_BYTES * 0.75;
const REMOVED_PER_DELTA = 1000;

export class HubRoster {
  readonly #clock: Clock;
  readonly #send: (delta: RosterDelta) => void;
  readonly #entries = new Map<PeerId, Entry>();
  /** What is due: `undefined` means removed. The last change of a peer wins. */
  readonly #changed = new Map<PeerId, Entry | undefined>();
  #cancelDelta: (() => void) | undefined;
  #lastDeltaMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, send: (delta: RosterDelta) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  /** The lifetime runs from now by this clock: the peer's own may be wrong. */
  put({ peerId, lifetimeMs, models }: Announcement, record: SignedRecord): void {
    this.#entries.get(peerId)?.cancelExpiry();
    const entry = {
      record,
      models,
      bytes: Buffer.byteLength(JSON.stringify(record)),
      cancelExpiry: this.#clock.after(lifetimeMs, () => this.remove(peerId)),
    };
    this.#entries.set(peerId, entry);
    this.#noteChange(peerId, entry);
  }

  remove(peerId: PeerId): void {
    const entry = this.#entries.get(peerId);
    if (entry === undefined) return;
    entry.cancelExpiry();
    this.#entries.delete(peerId);
    this.#noteChange(peerId, undefined);
  }

  /** None for a peer that is not there. */
  modelsOf(peerId: PeerId): Announcement['models'] {
    return this.#entries.get(peerId)?.models ?? [];
  }

  /** All records, in parts that each fit into one message; at least one part. */
  parts(): SignedRecord[][] {
    return cutToSize([...this.#entries.values()]);
  }

  close(): void {
    this.#cancelDelta?.();
    for (const entry of this.#entries.values()) entry.cancelExpiry();
    this.#entries.clear();
    this.#changed.clear();
  }

  #noteChange(peerId: PeerId, entry: Entry | undefined): void {
    this.#changed.set(peerId, entry);
    if (this.#cancelDelta !== undefined) return;
    const dueMs = this.#lastDeltaMs + DELTA_INTERVAL_MS;
    this.#cancelDelta = this.#clock.after(Math.max(0, dueMs - this.#clock.monotonicMs()), () => this.#sendDelta());
  }

  #sendDelta(): void {
    this.#cancelDelta = undefined;
    this.#lastDeltaMs = this.#clock.monotonicMs();
    const removed: PeerId[] = [];
    const upserted: Entry[] = [];
    for (const [peerId, entry] of this.#changed) {
      if (entry === undefined) removed.push(peerId);
      else upserted.push(entry);
    }
    this.#changed.clear();
    for (let start = 0; start < removed.length; start += REMOVED_PER_DELTA) {
      this.#send({
        upserted: [],
        removed: removed.slice(start, start + REMOVED_PER_DELTA),
      });
    }
    for (const part of cutToSize(upserted)) {
      if (part.length > 0) this.#send({ upserted: part, removed: [] });
    }
  }
}

function cutToSize(entries: readonly Entry[]): SignedRecord[][] {
  let part: SignedRecord[] = [];
  let partBytes = 0;
  const parts = [part];
  for (const { record, bytes } of entries) {
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
