/** The words of llama.cpp's grammars (GBNF) that JSON is made of. */

/** Any JSON value, and its parts. */
export const BASE_RULES: Readonly<Record<string, string>> = {
  space: String.raw`| " " | "\n" [ \t]{0,20}`,
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

/** Formats that are also checked; all days of `date` exist in every month. */
export const FORMATS: Readonly<Record<string, string>> = {
  date: '[0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | "1" [0-9] | "2" [0-8])',
  time: '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] "Z"',
  uuid: '[0-9a-f]{8} "-" [0-9a-f]{4} "-4" [0-9a-f]{3} "-" [89ab] [0-9a-f]{3} "-" [0-9a-f]{12}',
  email: '[a-z0-9]{1,32} "@" [a-z0-9]{1,32} "." [a-z]{2,8}',
  ipv4: 'byte "." byte "." byte "." byte',
};
/** A part of an IPv4 address. */
export const BYTE = '[0-9] | [1-9] [0-9] | "1" [0-9] [0-9] | "2" [0-4] [0-9] | "25" [0-5]';

/** `{2,5}`, `{2,}`, `*`. */
export function times(least: number, most: number): string {
  const from = Math.max(0, least);
  if (Number.isFinite(most)) return `{${from},${most}}`;
  return from === 0 ? '*' : `{${from},}`;
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
