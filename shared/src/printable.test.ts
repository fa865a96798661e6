import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPrintable, printable } from './printable.ts';

describe('text of others', () => {
  it.each([
    ['\u001b]0;owned\u0007', '\\u001b]0;owned\\u0007'],
    ['\u009b31mred', '\\u009b31mred'],
    ['one\r\ntwo\tthree', 'one\\r\\ntwo\\tthree'],
    ['a\u007fb', 'a\\u007fb'],
    ['file\u202egpj.exe', 'file\\u202egpj.exe'],
    ['\u2066x\u2069 \u200f \u2028', '\\u2066x\\u2069 \\u200f \\u2028'],
    ['half \ud83d of it', 'half \\ud83d of it'],
  ])('CL53: %j is shown as %j', (text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it('CL53: words of any language, emoji and backslashes stay as they are', () => {
    for (const text of ['naïve 模型 مرحبا שלום', '👩‍👩‍👧 👍🏽', 'C:\\models\\new']) expect(printable(text)).toBe(text);
  });

  it('CL53: nothing of it does anything to a terminal, and JSON stays the same JSON', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect([...printable(text)].every(isPrintable)).toBe(true);
        expect(JSON.parse(printable(JSON.stringify(text)))).toBe(text);
      }),
    );
  });
});
