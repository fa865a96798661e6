/**
 * Which offers are answered. Each answer makes a connection, which costs a file descriptor and milliseconds
 * of the processor, and keys cost nothing: so there are bounds for each stranger, for the attempts of all and for their
 * links. Peers that this end wants or waits for are no strangers, and have their own room.
 */
import {
  MAX_STRANGER_ATTEMPTS,
  MAX_STRANGER_LINKS,
  STRANGER_ATTEMPTS,
  STRANGER_FAILURE_COST,
  STRANGER_LINK_MS,
} from '../limits.ts';
import { LruMap } from '../lru-map.ts';
import type { Clock } from '../ports/clock.ts';
import type { PeerId } from '../protocol/ids.ts';
import { TokenBucket } from '../token-bucket.ts';

/** A session that a stranger began. */
export interface StrangerSession {
  readonly remote: PeerId;
  readonly link: { close(reason: string): unknown };
  /** Undefined while it is an attempt. */
  readonly openedMs: number | undefined;
}

export interface StrangersOptions<Session> {
  readonly clock: Clock;
  /** Whether anything runs on its link, or this end would dial it again. */
  isInUse(session: Session): boolean;
}

/** Peers whose attempts are remembered: more than there are sessions, of some 100 bytes each. */
const REMEMBERED = 2_000;

export class Strangers<Session extends StrangerSession> {
  readonly #options: StrangersOptions<Session>;
  readonly #buckets = new LruMap<PeerId, TokenBucket>(REMEMBERED);
  /** In the order in which they began. */
  readonly #attempts = new Set<Session>();
  /** In the order in which they opened. */
  readonly #links = new Set<Session>();

  constructor(options: StrangersOptions<Session>) {
    this.#options = options;
  }

  /** Whether an offer of this peer may cost a connection now. It counts for every peer, strangers or not. */
  mayTry(peerId: PeerId): boolean {
    return this.#bucketOf(peerId).take(0, STRANGER_FAILURE_COST);
  }

  /**
   * Whether strangers may have one more attempt. What makes room for it is closed.
   * @param replaced the attempt whose place it takes
   */
  makeRoom(replaced: Session | undefined): boolean {
    if (replaced !== undefined && this.#attempts.has(replaced)) return true;
    if (this.#links.size >= MAX_STRANGER_LINKS && !this.#closeUnused()) return false;
    // An honest attempt opens in a moment: of those that do not, the oldest makes room.
    const [oldest] = this.#attempts;
    if (this.#attempts.size >= MAX_STRANGER_ATTEMPTS) oldest?.link.close('others need its place');
    return true;
  }

  began(session: Session): void {
    this.#attempts.add(session);
  }

  /** It led somewhere, so it did not cost what a failure does. */
  opened(session: Session): void {
    if (this.#attempts.delete(session)) this.#links.add(session);
    this.#bucketOf(session.remote).giveBack(STRANGER_FAILURE_COST - 1);
  }

  closed(session: Session): void {
    this.#attempts.delete(session);
    this.#links.delete(session);
  }

  #bucketOf(peerId: PeerId): TokenBucket {
    const bucket = this.#buckets.get(peerId) ?? new TokenBucket(STRANGER_ATTEMPTS, this.#options.clock);
    this.#buckets.set(peerId, bucket);
    return bucket;
  }

  #closeUnused(): boolean {
    const { clock, isInUse } = this.#options;
    const before = clock.monotonicMs() - STRANGER_LINK_MS;
    const unused = [...this.#links].find((session) => (session.openedMs ?? 0) <= before && !isInUse(session));
    unused?.link.close('others need its place');
    return unused !== undefined;
  }
}
