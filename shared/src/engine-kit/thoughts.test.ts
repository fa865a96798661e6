/** Thoughts and answer, told apart by what the model writes, however it is cut into tokens and wherever it breaks off. */
import { describe, expect, it } from 'vitest';
import type { EngineEvent, TokensEvent } from '../ports/engine.ts';
import { createSeededRandom } from '../testing/seeded-random.ts';
import { type AnswerStart, AnswerText } from './answer-text.ts';
import { opensThought } from './thought-splitter.ts';

interface Read {
  readonly thought: string;
  readonly answer: string;
  readonly written: string;
  readonly tokens: number;
  readonly events: readonly TokensEvent[];
}

function read(pieces: readonly string[], start: AnswerStart = {}, stops: readonly string[] = [], counts = 1): Read {
  const events: TokensEvent[] = [];
  const text = new AnswerText(stops, (event: EngineEvent) => event.type === 'tokens' && events.push(event), start);
  for (const piece of pieces) text.push(piece, counts);
  text.end(text.tokenCount);
  const join = (part: (event: TokensEvent) => string) => events.map(part).join('');
  return {
    thought: join((event) => (event.thought ? event.text : '')),
    answer: join((event) => (event.thought ? '' : event.text)),
    written: join((event) => event.written ?? event.text),
    tokens: events.reduce((sum, { tokenCount }) => sum + tokenCount, 0),
    events,
  };
}

const random = createSeededRandom(41);

function cut(text: string): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; ) {
    const length = 1 + Math.floor(random.float() ** 3 * 9);
    pieces.push(text.slice(at, at + length));
    at += length;
  }
  return pieces;
}

const OPENED = { promptOpensThought: true };

/** What is written, what the prompt says, and what readers see of it. */
const CASES: readonly (readonly [string, string, AnswerStart, string, string])[] = [
  ['a thought and an answer', '<think>\nHm, 2.\n</think>\n\nTwo.', {}, 'Hm, 2.', 'Two.'],
  ['a thought that the prompt has opened', 'Hm, 2.\n</think>\n\nTwo.', OPENED, 'Hm, 2.', 'Two.'],
  ['one that the prompt has opened and the model again', '<think>\nHm.\n</think>Two.', OPENED, 'Hm.', 'Two.'],
  ['no thought', 'Two. <think> is a tag, </think> its end.', {}, '', 'Two. <think> is a tag, </think> its end.'],
  ['blanks in front of an answer without thoughts', '\n\n  Two.', {}, '', '\n\n  Two.'],
  ['an empty thought', '<think>\n\n</think>\n\nTwo.', {}, '', 'Two.'],
  ['an end in the answer', '<think>a</think>b </think> c', {}, 'a', 'b </think> c'],
  ['an end without a beginning', 'b </think> c', {}, '', 'b </think> c'],
  ['a beginning within', '<think>a <think> b</think> c </think> d', {}, 'a <think> b', 'c </think> d'],
  [
    'halves of markers',
    '<think>a < b, </thin and </ think> go on</think>yes',
    {},
    'a < b, </thin and </ think> go on',
    'yes',
  ],
  ['an answer that begins like a marker', '<thinking is hard', {}, '', '<thinking is hard'],
  ['two thoughts in a row', '<think>a</think>\n<think>b</think>\nc', {}, 'ab', 'c'],
  ['a thought that never ends', '<think>\nround and round', {}, 'round and round', ''],
  ['one cut within its end', '<think>\nround\n</thi', {}, 'round', ''],
  ['an answer cut within the beginning of a thought', '<thi', {}, '', ''],
  ['a lone sign', '<', {}, '', '<'],
  ['nothing behind the thought', '<think>all\n</think>\n\n', {}, 'all', ''],
];

describe('thoughts', () => {
  it.each(CASES)('TH6: %s', (_, written, start, thought, answer) => {
    for (let time = 0; time < 50; time += 1) {
      const pieces = time === 0 ? [written] : time === 1 ? [...written] : cut(written);
      const counts = time === 0 ? 8 : 1;
      const { events, ...found } = read(pieces, start, [], counts);
      expect(found).toEqual({ thought, answer, written, tokens: pieces.length * counts });
      expect(events.every(({ tokenCount }) => tokenCount > 0)).toBe(true);
    }
  });

  it.each(CASES)(
    'TH7: %s, gone on with by another engine from wherever it broke off',
    (_, written, start, thought, answer) => {
      const pieces = cut(written);
      for (let given = 0; given <= pieces.length; given += 1) {
        const events: TokensEvent[] = [];
        const first = new AnswerText([], (event) => event.type === 'tokens' && events.push(event), start);
        // Lost without an end: what was held back is gone, and so are its tokens.
        for (const piece of pieces.slice(0, given)) first.push(piece, 1);
        const begun = events.map((event) => event.written ?? event.text).join('');
        const tokens = events.reduce((sum, event) => sum + event.tokenCount, 0);
        expect(pieces.slice(0, tokens).join('')).toBe(begun);
        const rest = read(pieces.slice(tokens), { ...start, begun });
        const before = (isThought: boolean) =>
          events.map((event) => ((event.thought ?? false) === isThought ? event.text : '')).join('');
        expect(before(true) + rest.thought).toBe(thought);
        expect(before(false) + rest.answer).toBe(answer);
        expect(begun + rest.written).toBe(written);
      }
    },
  );

  it('TH8: a stop string ends the answer, and none ends a thought', () => {
    for (const pieces of [[...'<think>a STOP b</think>c STOP d'], ['<think>a STOP b</think>c STOP d']]) {
      const found = read(pieces, {}, ['STOP']);
      expect(found).toMatchObject({ thought: 'a STOP b', answer: 'c ', written: '<think>a STOP b</think>c ' });
    }
  });

  it('TH9: blanks without end do not keep a reader waiting, in a thought or before one', () => {
    expect(read([...`<think>a${' '.repeat(100)}`]).thought.length).toBeGreaterThan(30);
    const waiting: EngineEvent[] = [];
    const text = new AnswerText([], (event) => waiting.push(event));
    for (let blank = 0; blank < 100; blank += 1) text.push('\n', 1);
    expect(waiting.length).toBeGreaterThan(0);
  });

  it('TH10: each token tells its own probability, and the markers theirs with the thought', () => {
    const events: TokensEvent[] = [];
    const text = new AnswerText([], (event) => event.type === 'tokens' && events.push(event));
    for (const token of ['<think>', 'hm', '</think>', '\n\n', 'yes', '!']) {
      text.push(token, 1, [{ token, logprob: -1, top: [] }]);
    }
    text.end(6);
    const told = events.map(({ thought, tokenCount, logprobs = [] }) => [
      thought ?? false,
      tokenCount,
      logprobs.map(({ token }) => token).join('|'),
    ]);
    expect(told).toEqual([
      [true, 1, '<think>'],
      [true, 1, 'hm'],
      [true, 1, '</think>'],
      [true, 1, '\n\n'],
      [false, 1, 'yes'],
      [false, 1, '!'],
    ]);
  });

  it('TH11: thought and answer in one token are two events, and the count adds up with the next', () => {
    const found = read(['<think>a</think>b', 'c', 'd']);
    expect(found.events.map(({ text, tokenCount }) => [text, tokenCount])).toEqual([
      ['a', 1],
      ['b', 1],
      ['cd', 1],
    ]);
    expect(found.tokens).toBe(3);
  });

  it('TH12: a prompt opens a thought where its last words do', () => {
    expect(opensThought('<|im_start|>assistant\n<think>\n')).toBe(true);
    expect(opensThought('<|Assistant|><think>')).toBe(true);
    expect(opensThought('<|im_start|>assistant\n<think>\n\n</think>\n\n')).toBe(false);
    expect(opensThought('<think>\nassistant\n')).toBe(false);
  });
});
