/**
 * A text in sections that can be read one after the other, each in its own frame: between two blocks, so that nothing looks
 * different. A growing text keeps all its sections but the last.
 */

/** From here on a section ends at the next blank line; worst cases of this size take 40 ms. */
const SECTION_CHARS = 8 * 1024;
/** Each line may become a block of its own, which costs the page more than its text. */
const SECTION_LINES = 200;
/** A section without a blank line (a long list, a table, code) ends at any line … */
const MAX_SECTION_CHARS = 32 * 1024;
const MAX_SECTION_LINES = 1000;

const FENCE = /^\s*(`{3,}|~{3,})/;

interface Section {
  /** Of a code block that goes on from the section before, with the line that opened it in front. */
  readonly text: string;
  /** Where it begins in the whole text, and the line that opened the code block there. */
  readonly start: number;
  readonly fence: string;
}

/** Of one text that grows: what it has read once it does not read again, and it reads no more than it is asked for. */
export class SectionReader {
  #markdown = '';
  #sections: Section[] = [];
  #isAtEnd = true;

  /** The first so many sections, and whether there are more. */
  read(markdown: string, most: number): { readonly sections: readonly string[]; readonly more: boolean } {
    if (!markdown.startsWith(this.#markdown)) this.#sections = [];
    if (markdown !== this.#markdown || (!this.#isAtEnd && this.#sections.length <= most)) this.#readOn(markdown, most);
    this.#markdown = markdown;
    return { sections: this.#sections.slice(0, most).map(({ text }) => text), more: this.#sections.length > most };
  }

  /** The last one may go on, or be cut elsewhere. */
  #readOn(markdown: string, most: number): void {
    const last = this.#sections.pop();
    this.#isAtEnd = false;
    for (const section of sectionsFrom(markdown, last?.start ?? 0, last?.fence ?? '')) {
      this.#sections.push(section);
      if (this.#sections.length > most) return;
    }
    this.#isAtEnd = true;
  }
}

function* sectionsFrom(markdown: string, from: number, opened: string): Generator<Section> {
  let section: Section = { text: opened, start: from, fence: opened };
  let lines = 0;
  /** The line that opened the code block. */
  let fence = opened;
  let isBlankBefore = false;
  for (const { line, at } of linesOf(markdown, from)) {
    const { length } = section.text;
    const isLong = length >= SECTION_CHARS || lines >= SECTION_LINES;
    const isTooLong = length + line.length > MAX_SECTION_CHARS || lines >= MAX_SECTION_LINES;
    // What is indented goes on with the item before.
    const isBetween = fence === '' && isBlankBefore && /^\S/.test(line);
    if (lines > 0 && (isTooLong || (isLong && isBetween))) {
      yield section;
      section = { text: fence, start: at, fence };
      lines = 0;
    }
    fence = fenceAfter(line, fence);
    isBlankBefore = line.trim() === '';
    section = { ...section, text: section.text + line };
    lines += 1;
  }
  if (lines > 0) yield section;
}

/** Of at most so many characters, cut behind a blank where there is one. */
export function* piecesOf(text: string, mostChars: number): Generator<string> {
  let from = 0;
  while (text.length - from > mostChars) {
    const blank = Math.max(text.lastIndexOf(' ', from + mostChars - 1), text.lastIndexOf('\n', from + mostChars - 1));
    let end = blank > from ? blank + 1 : from + mostChars;
    // No half of a character.
    if (/[\ud800-\udbff]/.test(text.charAt(end - 1))) end -= 1;
    yield text.slice(from, end);
    from = end;
  }
  yield text.slice(from);
}

/** Each with its line break; one of extraordinary length is cut. */
function* linesOf(markdown: string, from: number): Generator<{ readonly line: string; readonly at: number }> {
  let at = from;
  while (at < markdown.length) {
    const broken = markdown.indexOf('\n', at);
    const end = broken === -1 ? markdown.length : broken + 1;
    for (const line of piecesOf(markdown.slice(at, end), MAX_SECTION_CHARS / 2)) {
      yield { line, at };
      at += line.length;
    }
  }
}

function fenceAfter(line: string, fence: string): string {
  const [, marks] = FENCE.exec(line) ?? [];
  if (marks === undefined) return fence;
  if (fence === '') return line.endsWith('\n') ? line : `${line}\n`;
  const isEnd =
    line.trim() === marks && (FENCE.exec(fence)?.[1] ?? '').length <= marks.length && fence.includes(marks[0] ?? '');
  return isEnd ? '' : fence;
}
