/** An answer on its way to a client, counted when it ends. What the asker did wrong, or gave up, counts for nobody. */
import { MeshError } from '@tabmesh/shared';
import type { ContentEvent, OpenedAnswer } from '../api/opened-answer.ts';
import type { Ledger } from './ledger.ts';

export async function countedAnswer<T extends { readonly answer: OpenedAnswer }>(
  ledger: Pick<Ledger, 'count'> | undefined,
  opening: Promise<T>,
): Promise<T> {
  if (ledger === undefined) return opening;
  try {
    const opened = await opening;
    return { ...opened, answer: { ...opened.answer, events: countedEvents(ledger, opened.answer) } };
  } catch (error) {
    countFailure(ledger, error);
    throw error;
  }
}

/** Not a generator: every token passes here. */
function countedEvents(ledger: Pick<Ledger, 'count'>, answer: OpenedAnswer): AsyncIterable<ContentEvent> {
  const look = (result: IteratorResult<ContentEvent, unknown>) => {
    if (!result.done && result.value.type === 'end') countEnd(ledger, answer, result.value);
    return result;
  };
  const fail = (error: unknown) => {
    countFailure(ledger, error);
    throw error;
  };
  return {
    [Symbol.asyncIterator]() {
      const events = answer.events[Symbol.asyncIterator]();
      return {
        next: () => events.next().then(look, fail),
        return: async () => (await events.return?.()) ?? { done: true, value: undefined },
      };
    },
  };
}

function countEnd(
  ledger: Pick<Ledger, 'count'>,
  { model, peerId }: OpenedAnswer,
  { usage, ttftMs, tokensPerSecond }: Extract<ContentEvent, { type: 'end' }>,
): void {
  const served = { model, completionTokens: usage.completionTokens, ttftMs, tokensPerSecond };
  ledger.count(peerId === null ? { ...served, servedBy: 'fallback' } : { ...served, servedBy: 'mesh', peerId });
}

function countFailure(ledger: Pick<Ledger, 'count'>, error: unknown): void {
  if (MeshError.isOfTheAsker(error)) return;
  ledger.count({ servedBy: 'failed' });
}
