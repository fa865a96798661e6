/**
 * Text of others for a terminal, a log or a sentence of this end: a terminal obeys what an escape says (it moves the cursor,
 * names the window, fills the clipboard), a line break forges another line, and a mark of direction turns a sentence round.
 */

/** C0 and C1 controls, marks of direction, line and paragraph separators, halves of characters. */
const UNPRINTABLE = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** One line, with what is no text shown as JSON would write it: `\u001b`, `\n`. JSON stays the same JSON. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}

/** As a terminal prints it: whether a character is left alone. */
export function isPrintable(character: string): boolean {
  return character.search(UNPRINTABLE) === -1;
}

function escaped(character: string): string {
  const json = JSON.stringify(character).slice(1, -1);
  return json === character ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}` : json;
}
