/** The words of llama.cpp's grammars (GBNF) that JSON is made of. */
import { type CodePoints, complement } from './code-points.ts';

/** Any JSON value, and its parts. */
export const BASE_RULES: Readonly<Record<string, string>> = {
  space: String.raw`"" | " " | "\n" [ \t]{0,20}`,
  value: 'object | array | string | number | "true" | "false" | "null"',
  object: '"{" space (pair ("," space pair)*)? "}"',
  pair: 'string space ":" space value space',
  array: '"[" space (value space ("," space value space)*)? "]"',
  string: String.raw`"\"" char* "\""`,
  // No halves of characters: a reader that is strict about Unicode would refuse them.
  char: String.raw`[^"\\\x7F\x00-\x1F] | "\\" (["\\/bfnrt] | "u" ([0-9a-cA-CefEF] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2}))`,
  number: '"-"? ("0" | [1-9] [0-9]{0,14}) ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?',
  integer: '"-"? ("0" | [1-9] [0-9]{0,14})',
};

/** `{2,5}`, `{2,}`, `*`. */
export function times(least: number, most: number): string {
  const from = Math.max(0, least);
  if (Number.isFinite(most)) return `{${from},${most}}`;
  return from === 0 ? '*' : `{${from},}`;
}

/** A set of characters as GBNF writes it: by what is in it or by what is not, whichever is shorter. */
export function classOf(set: CodePoints): string {
  const others = complement(set);
  return others.length < set.length ? `[^${rangesOf(others)}]` : `[${rangesOf(set)}]`;
}

function rangesOf(set: CodePoints): string {
  let text = '';
  for (let index = 0; index < set.length; index += 2) {
    const [first = 0, last = 0] = set.slice(index, index + 2);
    text += first === last ? signOf(first) : `${signOf(first)}-${signOf(last)}`;
  }
  return text;
}

function signOf(code: number): string {
  const character = String.fromCodePoint(code);
  if (/[A-Za-z0-9]/.test(character)) return character;
  // Of `\x` some readers take all digits that follow.
  return code > 0xffff ? `\\U${hex(code, 8)}` : `\\u${hex(code, 4)}`;
}

/** Text as GBNF writes it. What is not plain goes by its code, so that nothing in it can end the literal. */
export function literal(text: string): string {
  const escaped = Array.from(text, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (/[A-Za-z0-9 _.,:;/+*()[\]{}<>=!?'#@$%&~^|`-]/.test(character)) return character;
    return code > 0xffff ? `\\U${hex(code, 8)}` : `\\u${hex(code, 4)}`;
  });
  return `"${escaped.join('')}"`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}
