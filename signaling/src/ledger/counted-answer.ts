/** An answer on its way to a client, counted when it ends. What the asker did wrong, or gave up, counts for nobody. */
import { MeshError } from '@tabmesh/shared';
import type { ContentEvent, OpenedAnswer } from '../answers/opened-answer.ts';
import type { Ledger } from './ledger.ts';

type Counter = Pick<Ledger, 'count'>;

export async function countedAnswer(
  ledger: Counter | undefined,
  opening: Promise<OpenedAnswer>,
): Promise<OpenedAnswer> {
  if (ledger === undefined) return opening;
  try {
    const answer = await opening;
    return { ...answer, events: new CountedEvents(ledger, answer) };
  } catch (error) {
    countFailure(ledger, error);
    throw error;
  }
}

/** Not a generator: every token passes here. */
class CountedEvents implements AsyncIterableIterator<ContentEvent, void, undefined> {
  readonly #ledger: Counter;
  readonly #answer: OpenedAnswer;
  readonly #events: AsyncIterator<ContentEvent>;

  constructor(ledger: Counter, answer: OpenedAnswer) {
    this.#ledger = ledger;
    this.#answer = answer;
    this.#events = answer.events[Symbol.asyncIterator]();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<ContentEvent, void>> {
    try {
      const result = await this.#events.next();
      if (!result.done && result.value.type === 'end') countEnd(this.#ledger, this.#answer, result.value);
      return result;
    } catch (error) {
      countFailure(this.#ledger, error);
      throw error;
    }
  }

  async return(): Promise<IteratorResult<ContentEvent, void>> {
    await this.#events.return?.();
    return { done: true, value: undefined };
  }
}

function countEnd(
  ledger: Counter,
  { model, peerId }: OpenedAnswer,
  { usage, ttftMs, tokensPerSecond }: Extract<ContentEvent, { type: 'end' }>,
): void {
  const served = { model, completionTokens: usage.completionTokens, ttftMs, tokensPerSecond };
  ledger.count(peerId === null ? { ...served, servedBy: 'fallback' } : { ...served, servedBy: 'mesh', peerId });
}

function countFailure(ledger: Counter, error: unknown): void {
  if (MeshError.isOfTheAsker(error)) return;
  ledger.count({ servedBy: 'failed' });
}
