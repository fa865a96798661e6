/**
 * While an answer runs, a link to the peer that would go on with it: whoever loses its peer then waits for a round trip and
 * a prefill, and for no handshake.
 */
import type { Clock } from '../ports/clock.ts';
import type { PeerId } from '../protocol/ids.ts';

export interface StandbyLinkOptions {
  readonly clock: Clock;
  /** Who would go on if the peer that answers now were lost. @param besides not one of these */
  choose(besides: ReadonlySet<PeerId>): PeerId | undefined;
  isLinked(peerId: PeerId): boolean;
  connect(peerId: PeerId, signal: AbortSignal): Promise<unknown>;
}

/** Most answers of a small model are over by then, and need no one. */
const FIRST_LOOK_MS = 50;
/** Peers come and go; one that joined a second ago may be the only other one. */
const LOOK_MS = 500;

export class StandbyLink {
  readonly #options: StandbyLinkOptions;
  /** Made with the first link that is asked for: few answers come so far. */
  #stop: AbortController | undefined;
  #isClosed = false;
  /** To whom no link came about, for the rest of this answer. */
  readonly #unreachable = new Set<PeerId>();
  #cancel: () => void;

  constructor(options: StandbyLinkOptions) {
    this.#options = options;
    this.#cancel = options.clock.after(FIRST_LOOK_MS, () => this.#look());
  }

  /** Links stay open. Idempotent. */
  close(): void {
    this.#cancel();
    this.#isClosed = true;
    this.#stop?.abort();
  }

  #look(): void {
    const { choose, isLinked } = this.#options;
    const peerId = choose(this.#unreachable);
    if (peerId === undefined || isLinked(peerId)) this.#lookLater();
    else void this.#connect(peerId);
  }

  async #connect(peerId: PeerId): Promise<void> {
    try {
      this.#stop ??= new AbortController();
      await this.#options.connect(peerId, this.#stop.signal);
    } catch {
      this.#unreachable.add(peerId);
    }
    this.#lookLater();
  }

  #lookLater(): void {
    if (!this.#isClosed) this.#cancel = this.#options.clock.after(LOOK_MS, () => this.#look());
  }
}
