/** The attempts at a link to each peer that are under way: one, or two where the first did not open at once. */
import type { PeerId } from '../protocol/ids.ts';
import type { Session } from './session.ts';

export const MAX_ATTEMPTS_PER_PEER = 2;

export class Attempts {
  readonly #attempts = new Map<PeerId, Session[]>();

  /** Oldest first. */
  to(peerId: PeerId): readonly Session[] {
    return this.#attempts.get(peerId) ?? [];
  }

  has(peerId: PeerId): boolean {
    return this.#attempts.has(peerId);
  }

  add(session: Session): void {
    this.#attempts.set(session.remote, [...this.to(session.remote), session]);
  }

  /** It became a link, or failed. */
  delete(session: Session): void {
    const others = this.to(session.remote).filter((other) => other !== session);
    if (others.length === 0) this.#attempts.delete(session.remote);
    else this.#attempts.set(session.remote, others);
  }
}
