/** Engines that yield what no message can carry. */
import { expect, it } from 'vitest';
import { MeshError } from '../errors.ts';
import type { EngineEvent } from '../ports/engine.ts';
import { checkEngineEvent } from './engine-event.ts';

const usage = { promptTokens: 3, cachedTokens: 0, completionTokens: 1 };

it.each([
  [{ type: 'tokens', text: '', tokenCount: 1 }],
  [{ type: 'end', reason: 'stop', usage }],
  [{ type: 'end', reason: 'length', usage, usageIsGuess: true }],
])('PR36: %j is an event', (event) => {
  expect(() => checkEngineEvent(event as EngineEvent)).not.toThrow();
});

it.each([
  [{ type: 'end', reason: 'stop', usage: { promptTokens: 3, completionTokens: 1 } }, 'usage.cachedTokens'],
  [{ type: 'end', reason: 'stop', usage: { ...usage, completionTokens: Number.NaN } }, 'usage.completionTokens'],
  [{ type: 'end', reason: 'stop' }, 'usage'],
  [{ type: 'end', reason: 'done', usage }, 'reason'],
  [{ type: 'tokens', tokenCount: 1 }, 'text'],
  [{ type: 'tokens', text: 'a' }, 'tokenCount'],
  [{ type: 'tokens', text: 'a', tokenCount: -1 }, 'tokenCount'],
  [{ type: 'tokens', text: 'a', tokenCount: 1.5 }, 'tokenCount'],
  [{ type: 'token', text: 'a', tokenCount: 1 }, 'neither tokens nor an end'],
  ['text', 'neither tokens nor an end'],
  [null, 'neither tokens nor an end'],
  [undefined, 'neither tokens nor an end'],
])('PR36: %j is refused at once, by the field that is wrong', (event, field) => {
  let failure: unknown;
  try {
    checkEngineEvent(event as EngineEvent);
  } catch (error) {
    failure = error;
  }
  expect(MeshError.is(failure, 'engine_failed') && failure.message).toContain(field);
});
