/**
 * A circuit breaker for each peer: one that failed, or was late, is the last choice for a while that doubles with every
 * further failure, so that a peer which was fast and now hangs does not cost every prompt its time-out.
 */
import { doublingMs } from '../backoff.ts';
import { FIRST_PENALTY_MS, LATE_PENALTY_MS, MAX_PENALTY_MS } from '../limits.ts';
import type { PeerId } from '../protocol/ids.ts';

export class PeerPenalties {
  readonly #peers = new Map<PeerId, { failures: number; untilMs: number }>();

  failed(peerId: PeerId, nowMs: number): void {
    this.#penalise(peerId, nowMs, FIRST_PENALTY_MS);
  }

  /** Its asker lost patience. That may be the asker's own, so that a first time costs little. */
  leftWaiting(peerId: PeerId, nowMs: number): void {
    this.#penalise(peerId, nowMs, LATE_PENALTY_MS);
  }

  /** It had not spoken when another peer did, which is no failure, but reason enough to ask others for a moment. */
  late(peerId: PeerId, nowMs: number): void {
    const { failures, untilMs } = this.#peers.get(peerId) ?? { failures: 0, untilMs: 0 };
    this.#peers.set(peerId, { failures, untilMs: Math.max(untilMs, nowMs + LATE_PENALTY_MS) });
  }

  /** It answered. That it left and came back is no reason: who crashes with every prompt does so too. */
  clear(peerId: PeerId): void {
    this.#peers.delete(peerId);
  }

  holds(peerId: PeerId, nowMs: number): boolean {
    return (this.#peers.get(peerId)?.untilMs ?? Number.NEGATIVE_INFINITY) > nowMs;
  }

  #penalise(peerId: PeerId, nowMs: number, firstMs: number): void {
    this.#forgive(nowMs);
    const before = this.#peers.get(peerId);
    const failures = (before?.failures ?? 0) + 1;
    const untilMs = nowMs + doublingMs(failures - 1, { firstMs, longestMs: MAX_PENALTY_MS });
    this.#peers.set(peerId, { failures, untilMs: Math.max(untilMs, before?.untilMs ?? 0) });
  }

  /** Failures of long ago are no reason for a long pause, and would pile up. */
  #forgive(nowMs: number): void {
    for (const [peerId, { untilMs }] of this.#peers) if (nowMs - untilMs > MAX_PENALTY_MS) this.#peers.delete(peerId);
  }
}
