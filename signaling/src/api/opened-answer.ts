/**
 * An answer of the mesh from its first token on. Until then peers may refuse and the job moves on, so a reply to a client
 * waits: early failures become proper HTTP errors, and the headers name the peer that really serves.
 */
import { type AnswerEvent, MeshError } from '@tabmesh/shared';

export type RouteEvent = Extract<AnswerEvent, { type: 'route' }>;
export type ContentEvent = Exclude<AnswerEvent, RouteEvent>;

export interface OpenedAnswer {
  readonly route: RouteEvent;
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
    else if (route !== undefined) return { route, events: eventsFrom(value, iterator) };
  }
}

async function* eventsFrom(
  first: ContentEvent,
  iterator: AsyncIterator<AnswerEvent>,
): AsyncGenerator<ContentEvent, void, undefined> {
  try {
    yield first;
    for (;;) {
      const { value, done } = await iterator.next();
      if (done) return;
      if (value.type !== 'route') yield value;
    }
  } finally {
    await iterator.return?.();
  }
}
