/**
 * A language as states, of which each knows where every character leads: one way at a time, so an engine never follows two.
 * Only states from which the text can end remain, because an engine that came to another would have nothing to write.
 */
import { MAX_AUTOMATON_STATES, MAX_AUTOMATON_STEPS } from '../../limits.ts';
import { type CodePoints, has, union } from './code-points.ts';
import type { Language, Languages } from './languages.ts';
import { TooLarge } from './schema-trouble.ts';

export interface Edge {
  readonly set: CodePoints;
  readonly to: number;
}

export interface State {
  readonly ends: boolean;
  readonly edges: readonly Edge[];
}

/**
 * The first state is the beginning. Undefined: no text is in the language.
 * @throws TooLarge
 */
export function automatonOf(
  languages: Languages,
  language: Language,
  alphabet: CodePoints,
): readonly State[] | undefined {
  const numbers = new Map<Language, number>([[language, 0]]);
  const order = [language];
  const states: State[] = [];
  const parts = new Map<string, readonly CodePoints[]>();
  const most = languages.steps + MAX_AUTOMATON_STEPS;
  for (const one of order) {
    if (languages.steps > most) throw new TooLarge();
    const edges = new Map<number, CodePoints>();
    const sets = languages.firstSets(one);
    const key = languages.keyOf(sets);
    const known = parts.get(key) ?? partsOf([...sets], alphabet);
    parts.set(key, known);
    for (const set of known) {
      const next = languages.behind(one, set[0] ?? 0);
      if (next === languages.none) continue;
      let number = numbers.get(next);
      if (number === undefined) {
        number = order.length;
        if (number >= MAX_AUTOMATON_STATES) throw new TooLarge();
        languages.countState();
        numbers.set(next, number);
        order.push(next);
      }
      const before = edges.get(number);
      edges.set(number, before === undefined ? set : union(before, set));
    }
    states.push({ ends: one.ends, edges: Array.from(edges, ([to, set]) => ({ to, set })) });
  }
  return onlyLiving(states, false);
}

/**
 * The same texts, of which each has so many characters; a product of states and counts, which takes no derivatives.
 * Where it would be too large, only the shorter ones of them.
 * @throws TooLarge where even the shortest are too many
 */
export function withLength(states: readonly State[], least: number, most: number): readonly State[] | undefined {
  const room = Math.floor(MAX_AUTOMATON_STATES / states.length);
  if (least > room) throw new TooLarge();
  const isBounded = Number.isFinite(most);
  const last = isBounded ? Math.min(most, room) : least;
  const counted: State[] = [];
  for (let count = 0; count <= last; count += 1) {
    const next = isBounded ? count + 1 : Math.min(count + 1, last);
    for (const { ends, edges } of states) {
      counted.push({
        ends: ends && count >= least,
        edges: next > last ? [] : edges.map(({ set, to }) => ({ set, to: next * states.length + to })),
      });
    }
  }
  return onlyLiving(counted, true);
}

/** Parts of the alphabet whose characters are in the same sets. */
function partsOf(sets: readonly CodePoints[], alphabet: CodePoints): readonly CodePoints[] {
  const borders = new Set(alphabet.map((code, index) => code + (index % 2)));
  for (const set of sets) for (const [index, code] of set.entries()) borders.add(code + (index % 2));
  const sorted = [...borders].sort((left, right) => left - right);
  const parts = new Map<string, number[]>();
  for (const [index, first] of sorted.entries()) {
    if (!has(alphabet, first)) continue;
    const last = (sorted[index + 1] ?? 0x110000) - 1;
    const key = sets.map((set) => (has(set, first) ? 1 : 0)).join('');
    const part = parts.get(key);
    if (part === undefined) parts.set(key, [first, last]);
    else if (part.at(-1) === first - 1) part[part.length - 1] = last;
    else part.push(first, last);
  }
  return [...parts.values()];
}

/** States from which a text can end and, where others may be there, to which one leads. */
function onlyLiving(states: readonly State[], mayBeUnreached: boolean): readonly State[] | undefined {
  const sources = new Map<number, number[]>();
  for (const [from, { edges }] of states.entries()) {
    for (const { to } of edges) {
      const known = sources.get(to);
      if (known === undefined) sources.set(to, [from]);
      else known.push(from);
    }
  }
  const living = new Set(states.flatMap(({ ends }, number) => (ends ? [number] : [])));
  for (const state of living) for (const from of sources.get(state) ?? []) living.add(from);
  if (!living.has(0)) return undefined;
  if (mayBeUnreached) {
    const reached = new Set([0]);
    for (const state of reached) for (const { to } of states[state]?.edges ?? []) reached.add(to);
    for (const state of living) if (!reached.has(state)) living.delete(state);
  }
  const numbers = new Map([...living].sort((left, right) => left - right).map((state, index) => [state, index]));
  return Array.from(numbers.keys(), (number) => {
    const { ends = false, edges = [] } = states[number] ?? {};
    return {
      ends,
      edges: edges.flatMap(({ set, to }) => {
        const number = numbers.get(to);
        return number === undefined ? [] : [{ set, to: number }];
      }),
    };
  });
}
