/**
 * Whose account the descriptions of a link attempt go on: whoever began it. An answer with its candidates is what the other
 * end was made to say, so nobody is refused or cut off for how often others dial. What a peer is made to do is bounded by
 * how many offers of one member, and of one network, come through to it.
 */
import { type Clock, LruMap, type SessionDescription } from '@tabmesh/shared';
import {
  ANSWER_DESCRIPTIONS,
  KEPT_FOR_FIRST_OFFERS,
  MAX_REMEMBERED_ATTEMPTS,
  OFFERS_OF_MEMBER,
  OFFERS_OF_NETWORK_TO_PEER,
} from '../limits/limits.ts';
import { BucketPerKey } from '../limits/rate-limit.ts';

type Described = Pick<SessionDescription, 'from' | 'to' | 'sessionId' | 'role' | 'index'>;

interface Attempt {
  answersLeft: number;
}

export class LinkAttempts {
  readonly #members: BucketPerKey;
  readonly #networks: BucketPerKey;
  /** By both ends and the session. */
  readonly #attempts = new LruMap<string, Attempt>(MAX_REMEMBERED_ATTEMPTS);
  /** Who has offered to whom. */
  readonly #pairs = new LruMap<string, true>(MAX_REMEMBERED_ATTEMPTS);

  constructor(clock: Clock) {
    this.#members = new BucketPerKey(OFFERS_OF_MEMBER, clock);
    this.#networks = new BucketPerKey(OFFERS_OF_NETWORK_TO_PEER, clock);
  }

  /** Whether it answers an attempt that the addressee began, and so costs its sender nothing. */
  isOwed({ from, to, sessionId, role }: Described): boolean {
    if (role !== 'answerer') return false;
    const attempt = this.#attempts.peek(`${to} ${from} ${sessionId}`);
    if (attempt === undefined || attempt.answersLeft === 0) return false;
    attempt.answersLeft -= 1;
    return true;
  }

  /** Whether an offer may go on to its addressee; what is no offer always may. */
  mayPass({ from, to, sessionId, role, index }: Described, network: string): boolean {
    if (role !== 'offerer' || index !== 0) return true;
    const pair = `${from} ${to}`;
    // Of a network that dials all the time newcomers are heard first.
    const reserve = this.#pairs.peek(pair) === undefined ? 0 : KEPT_FOR_FIRST_OFFERS;
    if (!this.#members.take(from) || !this.#networks.take(`${network} ${to}`, reserve)) return false;
    this.#pairs.set(pair, true);
    this.#attempts.set(`${pair} ${sessionId}`, { answersLeft: ANSWER_DESCRIPTIONS });
    return true;
  }
}
