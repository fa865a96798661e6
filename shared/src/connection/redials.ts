/** When a wanted peer is dialled again: with pauses that grow with each failure. */
import { backoffMs } from '../backoff.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { PeerId } from '../protocol/ids.ts';

export interface RedialsOptions {
  readonly clock: Clock;
  readonly random: Random;
  dial(peerId: PeerId): void;
}

export class Redials {
  readonly #options: RedialsOptions;
  readonly #failures = new Map<PeerId, number>();
  readonly #pending = new Map<PeerId, () => void>();

  constructor(options: RedialsOptions) {
    this.#options = options;
  }

  has(peerId: PeerId): boolean {
    return this.#pending.has(peerId);
  }

  /** After one more failure. Does nothing while one is pending. */
  later(peerId: PeerId): void {
    if (this.#pending.has(peerId)) return;
    const { clock, random, dial } = this.#options;
    const failures = this.#failures.get(peerId) ?? 0;
    this.#failures.set(peerId, failures + 1);
    const cancel = clock.after(backoffMs(failures, random), () => {
      this.#pending.delete(peerId);
      dial(peerId);
    });
    this.#pending.set(peerId, cancel);
  }

  /** It is dialled now, or no more. */
  cancel(peerId: PeerId): void {
    this.#pending.get(peerId)?.();
    this.#pending.delete(peerId);
  }

  /** The next failure counts as the first. */
  forgive(peerId: PeerId): void {
    this.#failures.delete(peerId);
  }

  forget(peerId: PeerId): void {
    this.cancel(peerId);
    this.forgive(peerId);
  }

  forgetAllBut(peerIds: ReadonlySet<PeerId>): void {
    for (const peerId of [...this.#pending.keys(), ...this.#failures.keys()]) {
      if (!peerIds.has(peerId)) this.forget(peerId);
    }
  }

  close(): void {
    for (const cancel of this.#pending.values()) cancel();
    this.#pending.clear();
  }
}
