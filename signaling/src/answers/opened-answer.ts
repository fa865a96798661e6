/**
 * An answer from its first token on. Until then peers may refuse and the job moves on, so a reply to a client waits: early
 * failures become proper HTTP errors, and the headers name the peer that really serves.
 */
import { type AnswerEvent, type JobId, MeshError, type ModelId, type PeerId } from '@tabmesh/shared';

type RouteEvent = Extract<AnswerEvent, { type: 'route' }>;
export type ContentEvent = Exclude<AnswerEvent, RouteEvent>;

export interface OpenedAnswer {
  readonly jobId: JobId;
  readonly model: ModelId;
  /** null: no peer but a fallback provider serves. */
  readonly peerId: PeerId | null;
  /** Token events and one end, from the first on. Leaving the loop cancels the job. */
  readonly events: AsyncIterable<ContentEvent>;
}

/** @throws MeshError what the mesh fails with before its first token. */
export async function openAnswer(answer: AsyncIterable<AnswerEvent>): Promise<OpenedAnswer> {
  const iterator = answer[Symbol.asyncIterator]();
  let route: RouteEvent | undefined;
  for (;;) {
    const { value, done } = await iterator.next();
    if (done || (value.type !== 'route' && route === undefined)) {
      throw new MeshError('upstream_failed', 'The mesh ended the answer before it began. Send the message again.');
    }
    if (value.type === 'route') route = value;
    else if (route !== undefined) {
      const { jobId, model, peerId } = route;
      return { jobId, model, peerId, events: resumed(value, iterator) };
    }
  }
}

/** For events that stop without an `end`. */
export function endedTooSoon(): MeshError {
  return new MeshError('upstream_failed', 'The answer stopped without an end. Send the request again.');
}

/** The content from an event on that was taken out already. Leaving the loop ends the iterator. */
export function resumed(first: ContentEvent, iterator: AsyncIterator<AnswerEvent>): AsyncIterable<ContentEvent> {
  return new ResumedEvents(first, iterator);
}

/** Not a generator: every token passes here. */
class ResumedEvents implements AsyncIterableIterator<ContentEvent, void, undefined> {
  readonly #iterator: AsyncIterator<AnswerEvent>;
  #first: ContentEvent | undefined;

  constructor(first: ContentEvent, iterator: AsyncIterator<AnswerEvent>) {
    this.#first = first;
    this.#iterator = iterator;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<ContentEvent, void>> {
    const first = this.#first;
    this.#first = undefined;
    if (first !== undefined) return { done: false, value: first };
    for (;;) {
      const { value, done } = await this.#iterator.next();
      if (done) return { done: true, value: undefined };
      if (value.type !== 'route') return { done: false, value };
    }
  }

  async return(): Promise<IteratorResult<ContentEvent, void>> {
    await this.#iterator.return?.();
    return { done: true, value: undefined };
  }
}
