/** Tokens to text, with a vocabulary in which every byte is a token, the worst one that there can be. */
import type { Token } from 'node-llama-cpp';
import { describe, expect, it } from 'vitest';
import { type AnswerText, AnswerTextStream } from '../src/answer-text.ts';

const bytes = (text: string) => [...Buffer.from(text)].map((byte) => byte as Token);
const detokenize = (tokens: readonly Token[]) => Buffer.from([...tokens]).toString('utf8');

function run(text: string, stops: readonly string[] = []): AnswerText[] {
  const stream = new AnswerTextStream(detokenize, [], stops);
  const pieces: AnswerText[] = [];
  for (const token of bytes(text)) {
    pieces.push(stream.push(token));
    if (stream.stopped) break;
  }
  pieces.push(stream.end());
  return pieces.filter((piece) => piece.tokenCount > 0);
}

describe('answer text', () => {
  it('NP18: a character that takes several tokens goes out whole, with all of them counted', () => {
    expect(run('aé🙂')).toEqual([
      { text: 'a', tokenCount: 1 },
      { text: 'é', tokenCount: 2 },
      { text: '🙂', tokenCount: 4 },
    ]);
  });

  it('NP18: a character that the answer breaks off in is left out, its tokens are counted', () => {
    const stream = new AnswerTextStream(detokenize, [], []);
    for (const token of bytes('🙂').slice(0, 2)) expect(stream.push(token).tokenCount).toBe(0);
    expect(stream.end()).toEqual({ text: '', tokenCount: 2 });
  });

  it('NP18: bytes that never become a character hold nothing back for ever', () => {
    const stream = new AnswerTextStream(detokenize, [], []);
    const pieces = Array.from({ length: 8 }, () => stream.push(0xff as Token));
    expect(pieces.at(-1)?.tokenCount).toBe(8);
  });

  it('NP19: what may become a stop string waits in whole tokens', () => {
    expect(run('a STxSTOP b', ['STOP'])).toEqual([
      { text: 'a', tokenCount: 1 },
      { text: ' ', tokenCount: 1 },
      { text: 'STx', tokenCount: 3 },
      { text: '', tokenCount: 4 },
    ]);
    expect(run('xST', ['STOP']).at(-1)).toEqual({ text: 'ST', tokenCount: 2 });
  });
});
