/**
 * The texts of a model's control tokens (`<|im_start|>`), which only its chat template may write: in what people and tools
 * say they are plain text. Who could write one would end its own message and begin another in the system's name.
 */

export class ControlTexts {
  /** By first character, so that most of a text is passed over at once. */
  readonly #lengths = new Map<string, number[]>();
  readonly #texts: ReadonlySet<string>;
  readonly #firsts: RegExp;

  constructor(texts: Iterable<string>) {
    this.#texts = new Set(texts);
    // The longest first, as llama.cpp looks for them.
    for (const text of [...this.#texts].sort((one, other) => other.length - one.length)) {
      if (text === '') continue;
      const lengths = this.#lengths.get(text.charAt(0)) ?? [];
      if (!lengths.includes(text.length)) lengths.push(text.length);
      this.#lengths.set(text.charAt(0), lengths);
    }
    const firsts = Array.from(
      this.#lengths.keys(),
      (first) => `\\u${first.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
    this.#firsts = new RegExp(`[${firsts.join('')}]`, 'g');
  }

  /** Parts 1, 3, 5 … are control texts. */
  split(text: string): string[] {
    const parts: string[] = [];
    let from = 0;
    for (const { index: at } of text.matchAll(this.#firsts)) {
      const length = at < from ? 0 : this.#lengthAt(text, at);
      if (length === 0) continue;
      parts.push(text.slice(from, at), text.slice(at, at + length));
      from = at + length;
    }
    return [...parts, text.slice(from)];
  }

  /** For programs that make tokens of texts themselves: an invisible sign inside each control text. */
  plain(text: string): string {
    return this.broken(text, WORD_JOINER);
  }

  /** The text with `mark` inside each control text, which is none then; the text itself where it has none. */
  broken(text: string, mark: string): string {
    const parts = this.split(text);
    if (parts.length === 1) return text;
    return parts.map((part, index) => (index % 2 === 0 ? part : breakUp(part, mark))).join('');
  }

  #lengthAt(text: string, at: number): number {
    const lengths = this.#lengths.get(text.charAt(at));
    return lengths?.find((length) => this.#texts.has(text.slice(at, at + length))) ?? 0;
  }
}

/** Invisible, and takes the line no further: what people read stays the same. */
const WORD_JOINER = '\u2060';
const LIKELY = /<[|｜][^<>\s]{1,60}[|｜]>|<\/?s>|<[be]os>|<(start|end)_of_turn>|\[\/?INST\]/g;

/** For programs that make tokens of texts themselves and don't tell which ones are control tokens. */
export function withoutLikelyControl(text: string): string {
  return text.replace(LIKELY, (control) => breakUp(control, WORD_JOINER));
}

/** In the middle of a character there would be two halves. */
function breakUp(text: string, mark: string): string {
  const [first = ''] = text;
  return first + mark + text.slice(first.length);
}
