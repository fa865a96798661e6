/** Tokens to text, with a vocabulary in which every byte is a token, the worst one that there can be. */
import type { Token } from 'node-llama-cpp';
import { describe, expect, it } from 'vitest';
import { TokenDecoder } from '../src/llama/token-decoder.ts';

const bytes = (text: string) => [...Buffer.from(text)].map((byte) => byte as Token);
const detokenize = (tokens: readonly Token[]) => Buffer.from([...tokens]).toString('utf8');

describe('token decoder', () => {
  it('NP18: a character that takes several tokens goes out whole, with all of them counted', () => {
    const decoder = new TokenDecoder(detokenize, []);
    expect(bytes('aé🙂').flatMap((token) => decoder.push(token) ?? [])).toEqual([
      { text: 'a', tokenCount: 1 },
      { text: 'é', tokenCount: 2 },
      { text: '🙂', tokenCount: 4 },
    ]);
    expect(decoder.end()).toBeUndefined();
  });

  it('NP18: a character that the answer breaks off in is left out, its tokens are counted', () => {
    const decoder = new TokenDecoder(detokenize, []);
    for (const token of bytes('🙂').slice(0, 2)) expect(decoder.push(token)).toBeUndefined();
    expect(decoder.end()).toEqual({ text: '', tokenCount: 2 });
  });

  it('NP18: bytes that never become a character hold nothing back for ever', () => {
    const decoder = new TokenDecoder(detokenize, []);
    const pieces = Array.from({ length: 8 }, () => decoder.push(0xff as Token));
    expect(pieces.at(-1)?.tokenCount).toBe(8);
  });
});
