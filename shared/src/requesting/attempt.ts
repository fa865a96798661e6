/** One peer's try at a job, begun at once and on its own, so that two can be heard at the same time. */
import { MeshError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { JobEvent } from './requester.ts';

/** Reaches the peer and starts the job, which ends when the signal is aborted. */
export type StartJob = (signal: AbortSignal) => Promise<AsyncIterator<JobEvent>>;

export class Attempt<Assignment> {
  readonly assignment: Assignment;
  /** The first event; undefined when there is `failure` instead. Never rejects. */
  readonly heard: Promise<JobEvent | undefined>;
  /** Why no event came. */
  failure: { readonly error: unknown } | undefined;
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal;
  readonly #onAbort = (): void => this.#abort.abort();
  #events: AsyncIterator<JobEvent> | undefined;
  #ended = false;

  constructor(assignment: Assignment, open: StartJob, signal: AbortSignal) {
    this.assignment = assignment;
    this.#signal = signal;
    // By hand: what `AbortSignal.any` keeps of every job costs an entry as much as checking its messages.
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener('abort', this.#onAbort);
    this.heard = this.#begin(open, this.#abort.signal);
  }

  /** The events behind the first one; rejects as the job does. */
  async next(): Promise<JobEvent> {
    const next = await this.#events?.next();
    if (next === undefined || next.done) throw MeshError.peerLost('it stopped without an end');
    this.#ended = next.value.type === 'end';
    return next.value;
  }

  /** Frees the peer's slot, and what is kept of the job. Idempotent, and harmless once the job is over. */
  close(): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
    // Most jobs have ended by now, and an abort costs as much as a route.
    if (!this.#ended) this.#abort.abort();
    this.#events?.return?.().catch(() => {});
  }

  async #begin(open: StartJob, signal: AbortSignal): Promise<JobEvent | undefined> {
    try {
      this.#events = await open(signal);
      return await this.next();
    } catch (error) {
      this.failure = { error };
      return undefined;
    }
  }
}

/** Whether `ms` pass before one of them gives an event or has failed. */
export async function isLate(attempts: readonly Attempt<unknown>[], ms: number, clock: Clock): Promise<boolean> {
  let cancel = () => {};
  const late = new Promise<boolean>((resolve) => {
    cancel = clock.after(ms, () => resolve(true));
  });
  try {
    return await Promise.race([late, ...attempts.map(({ heard }) => heard.then(() => false))]);
  } finally {
    cancel();
  }
}

/**
 * Who gives the first text, and the event with it. An end without any is nobody's answer while another may still give one;
 * undefined when all have failed.
 */
export async function firstToSpeak<Assignment>(
  attempts: readonly Attempt<Assignment>[],
): Promise<{ readonly attempt: Attempt<Assignment>; readonly event: JobEvent } | undefined> {
  const spoken = attempts.map(async (attempt) => {
    const event = await attempt.heard;
    if (event?.type !== 'tokens' || event.text === '') throw new Error('It gave no text.');
    return { attempt, event };
  });
  const first = await Promise.any(spoken).catch(() => undefined);
  if (first !== undefined) return first;
  for (const attempt of attempts) {
    const event = await attempt.heard;
    if (event !== undefined) return { attempt, event };
  }
  return undefined;
}
