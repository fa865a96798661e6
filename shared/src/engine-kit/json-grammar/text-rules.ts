/** Languages as rules: of the texts in JSON's strings, with what JSON escapes, and of texts as they stand. */

import { MAX_WRITTEN_STATES } from '../../limits.ts';
import { automatonOf, type State, withLength } from './automaton.ts';
import { type CodePoints, complement, EVERY, intersection, rangeOf, union } from './code-points.ts';
import { classOf } from './gbnf.ts';
import type { Language, Languages } from './languages.ts';
import type { Part, Rule, Rules } from './rules.ts';
import { TooLarge } from './schema-trouble.ts';

/** What JSON writes with two signs, and the second of them. */
const ESCAPES: readonly (readonly [number, string])[] = [
  [0x22, '\\"'],
  [0x5c, '\\\\'],
  [0x08, 'b'],
  [0x0c, 'f'],
  [0x0a, 'n'],
  [0x0d, 'r'],
  [0x09, 't'],
];
const ESCAPED: CodePoints = ESCAPES.reduce<CodePoints>((set, [code]) => union(set, [code, code]), []);
const PLAIN = intersection(complement(union(ESCAPED, rangeOf(0, 0x1f))), complement([0x7f, 0x7f]));
const IN_STRINGS = union(PLAIN, ESCAPED);

/** A language has texts only so much longer than they must be, where all of them take too many states. */
const SHORTER = [40, 20];

export class TextRules {
  readonly #languages: Languages;
  readonly #rules: Rules;
  readonly #known = new Map<string, Rule | undefined>();
  #written = 0;

  constructor(languages: Languages, rules: Rules) {
    this.#languages = languages;
    this.#rules = rules;
  }

  /**
   * A JSON string of these texts, of so many characters; undefined: there is none. What is too large as a whole is written
   * for its shorter texts.
   * @throws TooLarge
   */
  stringOf(language: Language, least = 0, most = Number.POSITIVE_INFINITY): Rule | undefined {
    const key = `${language.id} ${least} ${most}`;
    if (this.#known.has(key)) return this.#known.get(key);
    const free = this.#statesOf(language, least);
    const states = least === 0 && most === Number.POSITIVE_INFINITY ? free : free && withLength(free, least, most);
    this.#written += states?.length ?? 0;
    if (this.#written > MAX_WRITTEN_STATES) throw new TooLarge();
    const rule = states && this.#write(states, '"\\""', escapedParts);
    const quoted = rule && this.#rules.of(['"\\""', rule]);
    this.#known.set(key, quoted);
    return quoted;
  }

  /** Of digits and signs, as they stand. */
  plainOf(language: Language): Rule | undefined {
    const key = `${language.id}`;
    if (this.#known.has(key)) return this.#known.get(key);
    const states = automatonOf(this.#languages, language, EVERY);
    const rule = states && this.#write(states, undefined, (set) => [classOf(set)]);
    this.#known.set(key, rule);
    return rule;
  }

  #statesOf(language: Language, least: number): readonly State[] | undefined {
    for (const most of [undefined, ...SHORTER.map((length) => length + least)]) {
      try {
        const { end } = this.#languages;
        const short = most === undefined ? this.#languages.all : this.#languages.times(EVERY, 0, most, end);
        const states = automatonOf(this.#languages, this.#languages.every(language, short), IN_STRINGS);
        if (states !== undefined || most === undefined) return states;
      } catch (error) {
        if (!(error instanceof TooLarge)) throw error;
      }
    }
    throw new TooLarge();
  }

  /** @param closing what stands at the end of a text; none: nothing */
  #write(states: readonly State[], closing: string | undefined, write: (set: CodePoints) => readonly string[]): Rule {
    const end: readonly Part[] = closing === undefined ? [] : [closing];
    const uses = new Uint32Array(states.length);
    for (const { edges } of states) for (const { to } of edges) uses[to] = (uses[to] ?? 0) + 1;
    const texts = new Map<CodePoints, readonly string[]>();
    const textsOf = (set: CodePoints) => {
      const known = texts.get(set) ?? write(set);
      texts.set(set, known);
      return known;
    };
    const rules = new Map<number, Rule>();
    const ruleOf = (number: number) => {
      const rule = rules.get(number) ?? this.#rules.open();
      rules.set(number, rule);
      return rule;
    };
    /** One way on from a place that nothing else leads to stands in the same rule. */
    const behind = (text: string, to: number): readonly Part[] => {
      const parts: Part[] = [text];
      for (let number = to; ; ) {
        const { ends = true, edges = [] } = states[number] ?? {};
        const [edge, other] = edges;
        if (edge === undefined) return [...repeated(parts), ...end];
        const [only, more] = textsOf(edge.set);
        if (ends || other !== undefined || only === undefined || more !== undefined || uses[number] !== 1) {
          return [...repeated(parts), ruleOf(number)];
        }
        parts.push(only);
        number = edge.to;
      }
    };
    const first = ruleOf(0);
    for (const [number, rule] of rules) {
      const { ends = false, edges = [] } = states[number] ?? {};
      const ways = edges.flatMap(({ set, to }) => textsOf(set).map((text) => behind(text, to)));
      rule.alternatives = ends ? [...ways, end] : ways;
    }
    return first;
  }
}

function repeated(parts: readonly Part[]): readonly Part[] {
  const written: Part[] = [];
  for (let index = 0; index < parts.length; ) {
    const part = parts[index] ?? '';
    let count = 1;
    while (parts[index + count] === part) count += 1;
    written.push(count === 1 || typeof part !== 'string' ? part : `${part}{${count}}`);
    index += count;
  }
  return written;
}

function escapedParts(set: CodePoints): readonly string[] {
  const plain = intersection(set, PLAIN);
  const signs = ESCAPES.filter(([code]) => intersection(set, [code, code]).length > 0).map(([, sign]) => sign);
  return [
    ...(plain.length === 0 ? [] : [classOf(plain)]),
    ...(signs.length === 0 ? [] : [`("\\\\" [${signs.join('')}])`]),
  ];
}
