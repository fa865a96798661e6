/** One peer's try at a job, begun at once and on its own, so that two can be heard at the same time. */
import { MeshError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { JobEvent, JobWord } from './incoming-answer.ts';

/** Reaches the peer and starts the job, which ends when the signal is aborted. */
export type StartJob = (signal: AbortSignal) => Promise<AsyncIterator<JobEvent>>;

export class Attempt<Assignment> {
  readonly assignment: Assignment;
  /** The first word; undefined when there is `failure` instead. Never rejects. */
  readonly heard: Promise<JobWord | undefined>;
  /** Resolves when an entry takes the peer for gone before that. */
  readonly doubted: Promise<void>;
  /** An entry takes the peer for gone, and it has not shown since that it is there. */
  isDoubted = false;
  /** Why no word came. */
  failure: { readonly error: unknown } | undefined;
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal;
  readonly #onAbort = (): void => this.#abort.abort();
  #events: AsyncIterator<JobEvent> | undefined;
  #ended = false;
  #ahead: Promise<JobEvent> | undefined;
  #onDoubted: () => void = () => {};

  constructor(assignment: Assignment, open: StartJob, signal: AbortSignal) {
    this.assignment = assignment;
    this.#signal = signal;
    // By hand: what `AbortSignal.any` keeps of every job costs an entry as much as checking its messages.
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener('abort', this.#onAbort);
    this.doubted = new Promise((resolve) => {
      this.#onDoubted = resolve;
    });
    this.heard = this.#begin(open, this.#abort.signal);
  }

  /** The events behind the first word; rejects as the job does. */
  next(): Promise<JobEvent> {
    const next = this.#ahead ?? this.#read();
    this.#ahead = undefined;
    return next;
  }

  /** What `next` will give. */
  peek(): Promise<JobEvent> {
    this.#ahead ??= this.#read();
    // Whoever looks ahead may leave without it.
    this.#ahead.catch(() => {});
    return this.#ahead;
  }

  /** Frees the peer's slot, and what is kept of the job. Idempotent, and harmless once the job is over. */
  close(): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
    // Most jobs have ended by now, and an abort costs as much as a route.
    if (!this.#ended) this.#abort.abort();
    this.#events?.return?.().catch(() => {});
  }

  async #read(): Promise<JobEvent> {
    const next = await this.#events?.next();
    if (next === undefined || next.done) throw MeshError.peerLost('it stopped without an end');
    const { value: event } = next;
    if (event.type === 'peer-doubted') this.isDoubted = true;
    else if (event.type === 'peer-there') this.isDoubted = false;
    else this.#ended = event.type === 'end';
    return event;
  }

  async #begin(open: StartJob, signal: AbortSignal): Promise<JobWord | undefined> {
    try {
      this.#events = await open(signal);
      for (;;) {
        const event = await this.next();
        if (isWord(event)) return event;
        if (event.type === 'peer-doubted') this.#onDoubted();
      }
    } catch (error) {
      this.failure = { error };
      return undefined;
    }
  }
}

export function isWord(event: JobEvent): event is JobWord {
  return event.type === 'tokens' || event.type === 'end';
}

export function hasText(word: JobWord | undefined): boolean {
  return word?.type === 'tokens' && word.text !== '';
}

/** Whether `ms` pass, or a doubt whether it is still there comes, before one of them gives a word or has failed. */
export async function isLate(attempts: readonly Attempt<unknown>[], ms: number, clock: Clock): Promise<boolean> {
  let cancel = () => {};
  const late = new Promise<boolean>((resolve) => {
    cancel = clock.after(ms, () => resolve(true));
  });
  try {
    const doubts = attempts.map(({ doubted }) => doubted.then(() => true));
    return await Promise.race([late, ...doubts, ...attempts.map(({ heard }) => heard.then(() => false))]);
  } finally {
    cancel();
  }
}

/**
 * Who gives the first text, and the word with it. An end without any is nobody's answer while another may still give one;
 * undefined when all have failed.
 */
export async function firstToSpeak<Assignment>(
  attempts: readonly Attempt<Assignment>[],
): Promise<{ readonly attempt: Attempt<Assignment>; readonly word: JobWord } | undefined> {
  const spoken = attempts.map(async (attempt) => {
    const word = await attempt.heard;
    if (word === undefined || !hasText(word)) throw new Error('It gave no text.');
    return { attempt, word };
  });
  const first = await Promise.any(spoken).catch(() => undefined);
  if (first !== undefined) return first;
  for (const attempt of attempts) {
    const word = await attempt.heard;
    if (word !== undefined) return { attempt, word };
  }
  return undefined;
}
