/**
 * Peers that failed or were late just now: the last choice for a while that doubles with every further failure, so that a peer which was
 * fast and now hangs does not cost every prompt its time-out.
 */
import type { PeerId } from '../protocol/ids.ts';

const FIRST_MS = 30_000;
const LONGEST_MS = 300_000;
const LATE_MS = 10_000;

export class Distrust {
  readonly #peers = new Map<PeerId, { failures: number; untilMs: number }>();

  failed(peerId: PeerId, nowMs: number): void {
    this.#forgive(nowMs);
    const failures = (this.#peers.get(peerId)?.failures ?? 0) + 1;
    const untilMs = nowMs + Math.min(LONGEST_MS, FIRST_MS * 2 ** (failures - 1));
    this.#peers.set(peerId, { failures, untilMs });
  }

  /** It had not spoken when another peer did, which is no failure, but reason enough to ask others for a moment. */
  late(peerId: PeerId, nowMs: number): void {
    const { failures, untilMs } = this.#peers.get(peerId) ?? { failures: 0, untilMs: 0 };
    this.#peers.set(peerId, { failures, untilMs: Math.max(untilMs, nowMs + LATE_MS) });
  }

  /** It answered. That it left and came back is no reason: who crashes with every prompt does so too. */
  clear(peerId: PeerId): void {
    this.#peers.delete(peerId);
  }

  holds(peerId: PeerId, nowMs: number): boolean {
    return (this.#peers.get(peerId)?.untilMs ?? Number.NEGATIVE_INFINITY) > nowMs;
  }

  /** Failures of long ago are no reason for a long pause, and would pile up. */
  #forgive(nowMs: number): void {
    for (const [peerId, { untilMs }] of this.#peers) if (nowMs - untilMs > LONGEST_MS) this.#peers.delete(peerId);
  }
}
