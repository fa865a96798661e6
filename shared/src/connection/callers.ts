/**
 * Those who want an open link to a peer: they wait for the outcome of an attempt, whoever began it, and for that of another
 * one as long as it may end otherwise.
 */
import { MeshError } from '../errors.ts';
import { CONNECT_TIMEOUT_MS, MAX_DIAL_ATTEMPTS } from '../limits.ts';
import { pause } from '../pause.ts';
import type { Clock } from '../ports/clock.ts';
import type { PeerId } from '../protocol/ids.ts';
import type { Link } from './link.ts';

export interface CallersOptions {
  readonly clock: Clock;
  /** The open link to the peer. */
  linkTo(peerId: PeerId): Link | undefined;
  /** Begins an attempt unless one is under way. @param isCareful after one that failed */
  dial(peerId: PeerId, isCareful: boolean): void;
  /** How many ways there are at most. */
  readonly ways: number;
  /** Whether one of them was not tried yet, by each source. */
  hasUntried(peerId: PeerId): boolean;
}

type Settle = (error: Error | undefined) => void;

/** What took longer to fail was silence, and a second attempt would meet it again. */
const QUICK_FAILURE_MS = 2_000;
/** libdatachannel breaks a connection now and then that is made in the very moment in which it closes another one. */
const RETRY_PAUSE_MS = 20;
/** An attempt of the other end's may take the place of this end's when that is nearly over, and has as long; no third one. */
const OUTCOME_TIMEOUT_MS = 2 * CONNECT_TIMEOUT_MS;

export class Callers {
  readonly #options: CallersOptions;
  readonly #waiting = new Map<PeerId, Set<Settle>>();
  #closed = false;

  constructor(options: CallersOptions) {
    this.#options = options;
  }

  /** @throws MeshError `connection_failed` after `MAX_DIAL_ATTEMPTS` and each way, `cancelled` by the signal. */
  async connect(peerId: PeerId, signal: AbortSignal): Promise<Link> {
    const { clock, linkTo } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      if (signal.aborted) throw MeshError.cancelled();
      const link = linkTo(peerId);
      if (link !== undefined) return link;
      const askedMs = clock.monotonicMs();
      try {
        await this.#nextOutcome(peerId, attempt > 1, signal);
      } catch (error) {
        const tookMs = clock.monotonicMs() - askedMs;
        if (!MeshError.is(error, 'connection_failed') || !this.#mayTryAgain(peerId, attempt, tookMs)) throw error;
        await pause(clock, RETRY_PAUSE_MS * attempt, signal);
      }
    }
  }

  /** Whether somebody waits for a link to the peer. */
  isAwaited(peerId: PeerId): boolean {
    return this.#waiting.has(peerId);
  }

  /** An attempt became a link, or failed. */
  settle(peerId: PeerId, error: Error | undefined): void {
    const waiters = this.#waiting.get(peerId);
    this.#waiting.delete(peerId);
    if (waiters !== undefined) for (const settle of [...waiters]) settle(error);
  }

  close(): void {
    this.#closed = true;
    for (const peerId of [...this.#waiting.keys()]) this.settle(peerId, MeshError.closed('mesh'));
  }

  /** Attempts that the other end began use up no way of this end's, so both are bounded. */
  #mayTryAgain(peerId: PeerId, attempt: number, tookMs: number): boolean {
    const { ways, hasUntried } = this.#options;
    if (tookMs < QUICK_FAILURE_MS && attempt < MAX_DIAL_ATTEMPTS) return true;
    return tookMs < OUTCOME_TIMEOUT_MS && attempt < MAX_DIAL_ATTEMPTS + ways && hasUntried(peerId);
  }

  #nextOutcome(peerId: PeerId, isCareful: boolean, signal: AbortSignal): Promise<void> {
    if (this.#closed) throw MeshError.closed('mesh');
    return new Promise((resolve, reject) => {
      const waiters = this.#waiting.get(peerId) ?? new Set();
      this.#waiting.set(peerId, waiters);
      const settle: Settle = (error) => {
        waiters.delete(settle);
        cancelTimeout();
        signal.removeEventListener('abort', onAbort);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onAbort = () => settle(MeshError.cancelled());
      const cancelTimeout = this.#options.clock.after(OUTCOME_TIMEOUT_MS, () =>
        settle(MeshError.connectionFailed('it began one attempt after the other, and none led to a link')),
      );
      signal.addEventListener('abort', onAbort);
      waiters.add(settle);
      this.#options.dial(peerId, isCareful);
    });
  }
}
