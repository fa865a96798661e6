/**
 * Runs answers on an engine that streams by callback, once for both browser engines: a slot for each, waiting in line
 * when all are taken; cancel, loss and close reach the reader at once, while the slot is only given on when the engine
 * has really let go of it.
 */
import { type EngineEvent, MeshError } from '@tabmesh/shared';

/** Settles when the engine has freed the slot: soon after `signal` is aborted, and never before. */
export type AnswerWork = (emit: (event: EngineEvent) => void, signal: AbortSignal) => Promise<void>;

export class AnswerRunner {
  #freeSlots: number;
  readonly #line: (() => void)[] = [];
  readonly #lostListeners = new Set<(error: Error) => void>();
  /** Aborted, once, with the error that running answers end with. */
  readonly #ending = new AbortController();
  /** What later answers are refused with. */
  #refusal: MeshError | undefined;

  constructor(slots: number) {
    this.#freeSlots = slots;
  }

  /** The events wait for a slow reader: at most one for each token that the request allows. */
  async *run(work: AnswerWork, signal: AbortSignal): AsyncGenerator<EngineEvent> {
    if (this.#refusal !== undefined) throw this.#refusal;
    if (signal.aborted) throw MeshError.cancelled();
    const left = new AbortController();
    const stopped = AbortSignal.any([signal, this.#ending.signal, left.signal]);
    const events = new ReadableStream<EngineEvent>({
      start: (out) => {
        stopped.addEventListener('abort', () => out.error(this.#endingError()), { once: true });
        void this.#occupySlot(work, out, stopped);
      },
    }).getReader();
    try {
      for (let next = await events.read(); !next.done; next = await events.read()) yield next.value;
    } finally {
      left.abort();
    }
  }

  /** The engine is gone for good: running and later answers fail with `error`, and the listeners hear it. */
  lose(error: MeshError): void {
    if (this.#refusal !== undefined) return;
    this.#end(error, error);
    for (const listener of this.#lostListeners) listener(error);
    this.#lostListeners.clear();
  }

  onLost(listener: (error: Error) => void): () => void {
    this.#lostListeners.add(listener);
    return () => this.#lostListeners.delete(listener);
  }

  close(): void {
    this.#lostListeners.clear();
    this.#end(MeshError.closed('engine'), MeshError.cancelled());
  }

  #end(refusal: MeshError, running: MeshError): void {
    this.#refusal = refusal;
    this.#ending.abort(running);
  }

  #endingError(): MeshError {
    const reason: unknown = this.#ending.signal.reason;
    return MeshError.is(reason) ? reason : MeshError.cancelled();
  }

  async #occupySlot(
    work: AnswerWork,
    out: ReadableStreamDefaultController<EngineEvent>,
    stopped: AbortSignal,
  ): Promise<void> {
    const hasSlot = await this.#takeSlot(stopped);
    try {
      if (!hasSlot || stopped.aborted) return;
      await work((event) => {
        if (!stopped.aborted) out.enqueue(event);
      }, stopped);
      if (!stopped.aborted) out.close();
    } catch (error) {
      if (!stopped.aborted) out.error(MeshError.is(error) ? error : MeshError.engineFailed(String(error), error));
    } finally {
      if (hasSlot) this.#giveSlot();
    }
  }

  /** False when the answer was stopped while it stood in line. */
  #takeSlot(stopped: AbortSignal): Promise<boolean> {
    if (this.#freeSlots > 0) {
      this.#freeSlots -= 1;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const called = () => resolve(true);
      this.#line.push(called);
      stopped.addEventListener('abort', () => {
        const place = this.#line.indexOf(called);
        if (place >= 0) this.#line.splice(place, 1);
        // Already called when it is no longer in line: then this does nothing.
        resolve(false);
      });
    });
  }

  #giveSlot(): void {
    const next = this.#line.shift();
    if (next === undefined) this.#freeSlots += 1;
    else next();
  }
}
