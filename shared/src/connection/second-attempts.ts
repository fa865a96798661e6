/**
 * When an attempt at a link gets a second one beside it: when it is later than the other end's answer lets one expect. The
 * first message of DTLS may arrive before the other end has its transport; it is lost then, and sent again after a second.
 */
import type { Clock } from '../ports/clock.ts';
import type { Session } from './session.ts';

export interface SecondAttemptsOptions {
  readonly clock: Clock;
  begin(beside: Session): void;
}

/** On one machine links open in 15 to 60 ms. */
const SOONEST_MS = 150;
/** What follows the answer takes about five round trips, and the answer took one at least. */
const ANSWER_TIMES = 5;
/** Without an answer the offer may have met an end that failed. */
const UNHEARD_MS = 500;

export class SecondAttempts {
  readonly #options: SecondAttemptsOptions;
  readonly #pending = new Map<Session, { readonly startedMs: number; cancel(): void }>();

  constructor(options: SecondAttemptsOptions) {
    this.#options = options;
  }

  /** The attempt has begun. */
  watch(session: Session): void {
    const startedMs = this.#options.clock.monotonicMs();
    this.#pending.set(session, { startedMs, cancel: this.#beginAfter(session, UNHEARD_MS) });
  }

  /** The other end has answered. */
  handleAnswer(session: Session): void {
    const pending = this.#pending.get(session);
    if (pending === undefined) return;
    pending.cancel();
    const { startedMs } = pending;
    const tookMs = this.#options.clock.monotonicMs() - startedMs;
    const dueMs = Math.max(SOONEST_MS, ANSWER_TIMES * tookMs);
    this.#pending.set(session, { startedMs, cancel: this.#beginAfter(session, dueMs - tookMs) });
  }

  /** It opened, or failed. */
  forget(session: Session): void {
    this.#pending.get(session)?.cancel();
    this.#pending.delete(session);
  }

  #beginAfter(session: Session, ms: number): () => void {
    return this.#options.clock.after(ms, () => {
      this.#pending.delete(session);
      this.#options.begin(session);
    });
  }
}
