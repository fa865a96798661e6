import { describe, expect, it } from 'vitest';
import type { EngineEvent } from '../ports/engine.ts';
import { AnswerText } from './answer-text.ts';

/** One token per character. */
function run(text: string, stops: readonly string[]): EngineEvent[] {
  const events: EngineEvent[] = [];
  const answer = new AnswerText(stops, (event) => events.push(event));
  for (const character of text) answer.push(character, 1);
  answer.end(answer.tokenCount);
  return events;
}
const tokens = (text: string, tokenCount: number) => ({ type: 'tokens', text, tokenCount });

describe('the text of an answer', () => {
  it('IN12: what may become a stop string waits, and leaves in whole tokens', () => {
    expect(run('a STxSTOP b', ['STOP'])).toEqual([tokens('a', 1), tokens(' ', 1), tokens('STx', 3), tokens('', 4)]);
  });

  it('IN12: what never became one goes out with the end', () => {
    expect(run('xST', ['STOP'])).toEqual([tokens('x', 1), tokens('ST', 2)]);
  });

  it('IN13: tokens that an engine counts only at the end are not lost', () => {
    const events: EngineEvent[] = [];
    const answer = new AnswerText([], (event) => events.push(event));
    answer.push('Hello', 1);
    answer.end(3);
    expect(events).toEqual([tokens('Hello', 1), tokens('', 2)]);
  });
});
