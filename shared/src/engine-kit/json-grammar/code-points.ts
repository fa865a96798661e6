/** Sets of Unicode characters, as sorted ranges that do not touch: `[first, last, first, last, …]`. Halves of pairs are none. */

export type CodePoints = readonly number[];

export const EVERY: CodePoints = [0, 0xd7ff, 0xe000, 0x10ffff];
export const DIGITS: CodePoints = [0x30, 0x39];
export const WORD: CodePoints = [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a];
export const SPACE: CodePoints = ordered([
  0x09, 0x0d, 0x20, 0x20, 0xa0, 0xa0, 0x1680, 0x1680, 0x2000, 0x200a, 0x2028, 0x2029, 0x202f, 0x202f, 0x205f, 0x205f,
  0x3000, 0x3000, 0xfeff, 0xfeff,
]);
/** What `.` of a pattern leaves out. */
export const LINE_ENDS: CodePoints = [0x0a, 0x0a, 0x0d, 0x0d, 0x2028, 0x2029];

export function rangeOf(first: number, last: number): CodePoints {
  return first > last ? [] : intersection([first, last], EVERY);
}

export function has(set: CodePoints, code: number): boolean {
  for (let index = 0; index < set.length; index += 2) {
    if (code < (set[index] ?? 0)) return false;
    if (code <= (set[index + 1] ?? 0)) return true;
  }
  return false;
}

export function union(one: CodePoints, other: CodePoints): CodePoints {
  return ordered([...one, ...other]);
}

export function intersection(one: CodePoints, other: CodePoints): CodePoints {
  const common: number[] = [];
  for (let left = 0, right = 0; left < one.length && right < other.length; ) {
    const [leftEnd = 0, rightEnd = 0] = [one[left + 1], other[right + 1]];
    const first = Math.max(one[left] ?? 0, other[right] ?? 0);
    const last = Math.min(leftEnd, rightEnd);
    if (first <= last) common.push(first, last);
    if (leftEnd < rightEnd) left += 2;
    else right += 2;
  }
  return common;
}

export function complement(set: CodePoints): CodePoints {
  const others: number[] = [];
  let next = 0;
  for (let index = 0; index < set.length; index += 2) {
    if ((set[index] ?? 0) > next) others.push(next, (set[index] ?? 0) - 1);
    next = (set[index + 1] ?? 0) + 1;
  }
  if (next <= 0x10ffff) others.push(next, 0x10ffff);
  return intersection(others, EVERY);
}

/** Of an escape such as `\p{Letter}`. Undefined: Unicode has no such property. */
export function ofProperty(name: string): CodePoints | undefined {
  const known = properties.get(name);
  if (known !== undefined) return known;
  let expression: RegExp;
  try {
    expression = new RegExp(`\\p{${name}}+`, 'gu');
  } catch {
    return undefined;
  }
  assigned ??= ASSIGNED.map(([first, last]) => charactersOf(first, last));
  const found: number[] = [];
  for (const characters of assigned) {
    for (const [run] of characters.matchAll(expression)) {
      // Halves of pairs stand alone in no text, so the last character ends where the run does.
      const isPair = (run.codePointAt(run.length - 2) ?? 0) > 0xffff;
      found.push(run.codePointAt(0) ?? 0, run.codePointAt(isPair ? run.length - 2 : run.length - 1) ?? 0);
    }
  }
  const set = ordered(found);
  if (properties.size >= 32) properties.clear();
  properties.set(name, set);
  return set;
}

/** The same for every schema. */
const properties = new Map<string, CodePoints>();
let assigned: readonly string[] | undefined;
/** What Unicode assigns, or may soon; the rest of the planes is no property's that a pattern names. */
const ASSIGNED = [
  [0, 0xd7ff],
  [0xe000, 0x323af],
  [0xe0000, 0xe01ff],
] as const;

function charactersOf(first: number, last: number): string {
  const parts: string[] = [];
  for (let code = first; code <= last; code += 4_096) {
    const end = Math.min(last, code + 4_095);
    parts.push(String.fromCodePoint(...Array.from({ length: end - code + 1 }, (_, index) => code + index)));
  }
  return parts.join('');
}

/** Ranges in any order. */
function ordered(ranges: readonly number[]): CodePoints {
  const pairs: [number, number][] = [];
  for (let index = 0; index < ranges.length; index += 2) pairs.push([ranges[index] ?? 0, ranges[index + 1] ?? 0]);
  pairs.sort(([left], [right]) => left - right);
  const set: number[] = [];
  for (const [first, last] of pairs) {
    const end = set.at(-1);
    if (end !== undefined && first <= end + 1) set[set.length - 1] = Math.max(end, last);
    else set.push(first, last);
  }
  return set;
}
