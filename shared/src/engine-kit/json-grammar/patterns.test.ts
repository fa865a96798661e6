import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GbnfMachine } from '../../testing/gbnf-machine.ts';
import { propertySeed } from '../../testing/property-seed.ts';
import { createSeededRandom } from '../../testing/seeded-random.ts';
import { Languages } from './languages.ts';
import { grammarOfSchema } from './schema.ts';
import { languageOfPattern } from './text-languages.ts';

const letters = fc.constantFrom('a', 'b', 'c', '1', '-', '.', ' ', '\n', '"', '\\', 'é', '🧭');
const texts = fc.array(letters, { maxLength: 8 }).map((parts) => parts.join(''));

/** Patterns of everything that a grammar can hold, with the signs that the texts are made of. */
const { pattern } = fc.letrec((tie) => ({
  atom: fc.constantFrom(
    'a',
    'b',
    '[a-c]',
    '[^b]',
    '.',
    '\\d',
    '\\w',
    '\\s',
    '\\S',
    '\\.',
    '-',
    '"',
    '\\\\',
    '🧭',
    'é',
    '\\u0061',
  ),
  assertion: fc.constantFrom('^', '$', '(?=a)', '(?!b)', '(?=.*c)', '(?!.*--)', '(?=$)', '(?!^)'),
  group: tie('pattern').map((inner) => `(?:${String(inner)})`),
  quantified: fc
    .tuple(fc.oneof(tie('atom'), tie('group')), fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{0,2}?', '{2,}', '*?'))
    .map((parts) => parts.join('')),
  piece: fc.oneof(
    { maxDepth: 3 },
    { arbitrary: tie('atom'), weight: 5 },
    { arbitrary: tie('quantified'), weight: 4 },
    { arbitrary: tie('group'), weight: 1 },
    { arbitrary: tie('assertion'), weight: 1 },
  ),
  sequence: fc.array(tie('piece'), { maxLength: 4 }).map((parts) => parts.join('')),
  pattern: fc.oneof(
    { maxDepth: 3 },
    { arbitrary: tie('sequence'), weight: 4 },
    { arbitrary: fc.tuple(tie('sequence'), tie('sequence')).map((parts) => parts.join('|')), weight: 1 },
  ),
}));
const patterns = pattern.map(String);

describe('a pattern', () => {
  it('JS3: holds the texts that a regular expression finds it in, and no others', () => {
    fc.assert(
      fc.property(patterns, fc.array(texts, { minLength: 6, maxLength: 6 }), (source, candidates) => {
        const languages = new Languages();
        const language = languageOfPattern(languages, source);
        const expression = new RegExp(source, 'u');
        for (const text of candidates) {
          expect([source, text, language && languages.holds(language, text)]).toEqual([
            source,
            text,
            expression.test(text),
          ]);
        }
      }),
      { numRuns: 1_500, seed: propertySeed(504_105_251) },
    );
  });

  it('JS3: is written only by texts that it holds, of its lengths, whatever is escaped', () => {
    const { float } = createSeededRandom(7);
    fc.assert(
      fc.property(patterns, fc.nat(3), fc.nat(6), (source, minLength, more) => {
        const expression = new RegExp(source, 'u');
        const schema = { type: 'string', pattern: source, minLength, maxLength: minLength + more };
        let grammar: string;
        try {
          grammar = grammarOfSchema(schema);
        } catch (error) {
          expect(String(error)).toMatch(/leaves no text|too many states/);
          return;
        }
        const machine = new GbnfMachine(grammar);
        for (let count = 0; count < 5; count += 1) {
          const text: unknown = JSON.parse(machine.write(float));
          const { length } = Array.from(String(text));
          const fits = expression.test(String(text)) && length >= minLength && length <= minLength + more;
          expect([source, text, fits]).toEqual([source, text, true]);
        }
      }),
      { numRuns: 400, seed: propertySeed(11) },
    );
  });

  it.each<[string, string, readonly string[], readonly string[]]>([
    ['classes of Unicode', '^\\p{Lu}\\P{L}$', ['É1', 'A-'], ['a1', 'AB']],
    ['named groups', '^(?<year>\\d{4})$', ['2026'], ['26']],
    ["Python's words", '\\A(?P<name>a|b)\\Z', ['a', 'b'], ['ab']],
    ['pairs of halves', '^\\ud83e\\udded+$', ['🧭🧭'], ['🧭a']],
    ['a brace that is no count', '^a{x}$', ['a{x}'], ['aa']],
    ['control characters', '^\\t\\x0a\\u{d}$', ['\t\n\r'], ['t']],
    ['a beginning in rounds that may be empty', '(?:^a*){2}|a', ['', 'b', 'ba'], []],
    ['a beginning behind rounds that must be', '^(?:^a|b*){3}c$', ['c', 'ac', 'abbc', 'bbc'], ['bac', 'aac']],
    ['rounds that take only a place', '^(?:(?:(?!^)b|^){2}a)+$', ['a', 'abba'], ['aa', 'ba', 'bba', 'aba']],
    ['empty rounds that ask for more', '^(?:(?:(?=a)|b){2})*a?$', ['', 'a', 'bb', 'ba', 'bbba'], ['b', 'bbb', 'aa']],
    ['lookaheads within a loop', '^(?:(?!--)[a-z-])+$', ['a-b', '-a-'], ['a--b', '']],
  ])('JS3: with %s is read as it is meant', (_what, source, held, others) => {
    const languages = new Languages();
    const language = languageOfPattern(languages, source) ?? languages.none;
    for (const text of held) expect([text, languages.holds(language, text)]).toEqual([text, true]);
    for (const text of others) expect([text, languages.holds(language, text)]).toEqual([text, false]);
  });

  it('JS3: of many loops within each other is read in a few steps', () => {
    const languages = new Languages();
    const source = `^${'(?:'.repeat(30)}a?${'b?)*'.repeat(30)}c$`;
    const language = languageOfPattern(languages, source) ?? languages.none;
    expect(languages.steps).toBeLessThan(10_000);
    expect([languages.holds(language, 'abbac'), languages.holds(language, 'abba')]).toEqual([true, false]);
  });
});
