/**
 * Runs answers on an engine that streams by callback, once for both browser engines: a slot for each, waiting in line
 * when all are taken; cancel, loss and close reach the reader at once, while the slot is only given on when the engine
 * has really let go of it.
 */
import { type EngineEvent, MeshError } from '@tabmesh/shared';

/** Settles when the engine has freed the slot: soon after `signal` is aborted, and never before. */
export type SlotWork<Event> = (emit: (event: Event) => void, signal: AbortSignal) => Promise<void>;

export class AnswerRunner {
  readonly #slots: number;
  #freeSlots: number;
  readonly #line: { readonly slots: number; readonly called: () => void }[] = [];
  readonly #lostListeners = new Set<(error: Error) => void>();
  /** Aborted, once, with the error that running answers end with. */
  readonly #ending = new AbortController();
  /** What later answers are refused with. */
  #refusal: MeshError | undefined;

  constructor(slots: number) {
    this.#slots = slots;
    this.#freeSlots = slots;
  }

  /**
   * The events wait for a slow reader: at most one for each token that the request allows. `alone`: nothing else runs
   * beside this work.
   */
  async *run<Event = EngineEvent>(
    work: SlotWork<Event>,
    signal: AbortSignal,
    { alone = false }: { readonly alone?: boolean } = {},
  ): AsyncGenerator<Event> {
    if (this.#refusal !== undefined) throw this.#refusal;
    if (signal.aborted) throw MeshError.cancelled();
    const left = new AbortController();
    const stopped = AbortSignal.any([signal, this.#ending.signal, left.signal]);
    const events = new ReadableStream<Event>({
      start: (out) => {
        stopped.addEventListener('abort', () => out.error(this.#endingError()), { once: true });
        void this.#occupy(alone ? this.#slots : 1, work, out, stopped);
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

  async #occupy<Event>(
    slots: number,
    work: SlotWork<Event>,
    out: ReadableStreamDefaultController<Event>,
    stopped: AbortSignal,
  ): Promise<void> {
    const hasSlots = await this.#take(slots, stopped);
    try {
      if (!hasSlots || stopped.aborted) return;
      await work((event) => {
        if (!stopped.aborted) out.enqueue(event);
      }, stopped);
      if (!stopped.aborted) out.close();
    } catch (error) {
      if (!stopped.aborted) out.error(MeshError.is(error) ? error : MeshError.engineFailed(String(error), error));
    } finally {
      if (hasSlots) this.#give(slots);
    }
  }

  /** False when the answer was stopped while it stood in line. */
  #take(slots: number, stopped: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const place = { slots, called: () => resolve(true) };
      this.#line.push(place);
      stopped.addEventListener('abort', () => {
        // Already called when it is no longer in line: then this does nothing.
        if (this.#line.includes(place)) this.#line.splice(this.#line.indexOf(place), 1);
        resolve(false);
        this.#give(0);
      });
      this.#give(0);
    });
  }

  /** First come, first served: one that needs many is not passed by those that need one. */
  #give(slots: number): void {
    this.#freeSlots += slots;
    for (let [next] = this.#line; next !== undefined && next.slots <= this.#freeSlots; [next] = this.#line) {
      this.#line.shift();
      this.#freeSlots -= next.slots;
      next.called();
    }
  }
}
