/**
 * Regular expressions as JSON Schema has them (ECMA 262, without flags), read into a tree. What no set of texts can be told
 * by is refused by its sign: references back, what lies behind, the edges of words.
 */
import { MAX_PATTERN_CHARS, MAX_PATTERN_LEVELS, MAX_SCHEMA_REPETITION } from '../../limits.ts';
import {
  type CodePoints,
  complement,
  DIGITS,
  LINE_ENDS,
  ofProperty,
  rangeOf,
  SPACE,
  union,
  WORD,
} from './code-points.ts';

export type Pattern =
  | { readonly type: 'set'; readonly set: CodePoints }
  | { readonly type: 'sequence'; readonly parts: readonly Pattern[] }
  | { readonly type: 'choice'; readonly options: readonly Pattern[] }
  | { readonly type: 'repeat'; readonly body: Pattern; readonly least: number; readonly most: number }
  | { readonly type: 'look'; readonly body: Pattern; readonly negative: boolean }
  | { readonly type: 'start' | 'end' };

/** Why a pattern can't be read, as the rest of a sentence. */
export class PatternTrouble extends Error {}

/** @throws PatternTrouble */
export function parsePattern(source: string): Pattern {
  if (source.length > MAX_PATTERN_CHARS) {
    throw new PatternTrouble(`has a 'pattern' of more than ${MAX_PATTERN_CHARS} characters`);
  }
  return new PatternReader(source).read();
}

class PatternReader {
  readonly #characters: readonly string[];
  #at = 0;
  #level = 0;
  #starts = 0;

  constructor(source: string) {
    this.#characters = Array.from(source);
  }

  read(): Pattern {
    const pattern = this.#choice();
    if (this.#at < this.#characters.length) throw invalid();
    return pattern;
  }

  #choice(): Pattern {
    this.#level += 1;
    if (this.#level > MAX_PATTERN_LEVELS)
      throw new PatternTrouble(`has a 'pattern' nested over ${MAX_PATTERN_LEVELS} levels`);
    const options = [this.#sequence()];
    while (this.#take('|')) options.push(this.#sequence());
    this.#level -= 1;
    const [only] = options;
    return only !== undefined && options.length === 1 ? only : { type: 'choice', options };
  }

  #sequence(): Pattern {
    const parts: Pattern[] = [];
    while (this.#peek() !== undefined && this.#peek() !== '|' && this.#peek() !== ')') {
      parts.push(this.#repeated(this.#one()));
    }
    return sequence(parts);
  }

  #repeated(body: Pattern): Pattern {
    const times = this.#times();
    if (times === undefined) return body;
    // Whether it takes as much as it can or as little makes no other set.
    this.#take('?');
    const [least, most] = times;
    if (least > most) throw invalid();
    if (Math.max(least, Number.isFinite(most) ? most : 0) > MAX_SCHEMA_REPETITION) {
      throw new PatternTrouble(`has a 'pattern' that repeats something over ${MAX_SCHEMA_REPETITION} times`);
    }
    if (body.type === 'start' || body.type === 'end' || body.type === 'look') {
      return least > 0 ? body : sequence([]);
    }
    if (body.type === 'repeat' && least === 0 && most === Infinity && body.least <= 1 && body.most === Infinity) {
      return { ...body, least: 0 };
    }
    return { type: 'repeat', body, least, most };
  }

  #times(): readonly [number, number] | undefined {
    if (this.#take('*')) return [0, Infinity];
    if (this.#take('+')) return [1, Infinity];
    if (this.#take('?')) return [0, 1];
    if (this.#peek() !== '{') return undefined;
    const rest = this.#characters.slice(this.#at, this.#at + 24).join('');
    const found = /^\{(\d{1,9})(,?)(\d{0,9})\}/.exec(rest);
    // As a sign of its own a brace may stand, too.
    if (found === null) return undefined;
    const [written, least = '', comma, most = ''] = found;
    if (comma === '' && most !== '') return undefined;
    this.#at += written.length;
    return [Number(least), comma === '' ? Number(least) : most === '' ? Infinity : Number(most)];
  }

  #one(): Pattern {
    const character = this.#next();
    switch (character) {
      case '^':
        return this.#start();
      case '$':
        return { type: 'end' };
      case '.':
        return { type: 'set', set: complement(LINE_ENDS) };
      case '(':
        return this.#group();
      case '[':
        return { type: 'set', set: this.#class() };
      case '\\':
        return this.#escaped();
      case '*':
      case '+':
      case '?':
        throw invalid();
      default:
        return { type: 'set', set: codeSet(character) };
    }
  }

  /** Each is looked at once for the beginning of the text and once for what is behind it. */
  #start(): Pattern {
    this.#starts += 1;
    if (this.#starts > MAX_PATTERN_LEVELS)
      throw new PatternTrouble(`has a 'pattern' with over ${MAX_PATTERN_LEVELS} '^'`);
    return { type: 'start' };
  }

  #group(): Pattern {
    let look: { readonly negative: boolean } | undefined;
    if (this.#take('?')) {
      const sign = this.#next();
      if (sign === '=' || sign === '!') look = { negative: sign === '!' };
      else if (sign === '<' || sign === 'P') this.#groupName(sign);
      else if (sign !== ':')
        throw new PatternTrouble("has a 'pattern' with flags inside it, which no grammar can hold");
    }
    const body = this.#choice();
    if (!this.#take(')')) throw invalid();
    return look === undefined ? body : { type: 'look', body, negative: look.negative };
  }

  #groupName(sign: string): void {
    if (sign === 'P' && !this.#take('<')) throw invalid();
    if (this.#peek() === '=' || this.#peek() === '!') {
      throw new PatternTrouble("has a 'pattern' that looks behind ('(?<…'), which no grammar can hold");
    }
    while (this.#next() !== '>');
  }

  #escaped(): Pattern {
    const character = this.#peek();
    if (character === 'A' || character === 'z' || character === 'Z') {
      // Python's and Rust's anchors, as pydantic writes them.
      this.#at += 1;
      return character === 'A' ? this.#start() : { type: 'end' };
    }
    if (character === 'b' || character === 'B') {
      throw new PatternTrouble(`has a 'pattern' with '\\${character}', the edge of a word, which no grammar can hold`);
    }
    if (character === 'k' || (character !== undefined && character >= '1' && character <= '9')) {
      throw new PatternTrouble("has a 'pattern' that refers back to a group, which no grammar can hold");
    }
    return { type: 'set', set: this.#escapedSet() };
  }

  #class(): CodePoints {
    const negative = this.#take('^');
    let set: CodePoints = [];
    while (!this.#take(']')) {
      const first = this.#classPart();
      const isRange =
        this.#peek() === '-' && this.#characters[this.#at + 1] !== ']' && first.length === 2 && first[0] === first[1];
      if (!isRange) {
        set = union(set, first);
        continue;
      }
      this.#at += 1;
      const last = this.#classPart();
      if (last.length === 2 && last[0] === last[1]) {
        if ((last[0] ?? 0) < (first[0] ?? 0)) throw invalid();
        set = union(set, rangeOf(first[0] ?? 0, last[0] ?? 0));
      } else {
        set = union(union(set, first), union(codeSet('-'), last));
      }
    }
    return negative ? complement(set) : set;
  }

  #classPart(): CodePoints {
    const character = this.#next();
    if (character !== '\\') return codeSet(character);
    if (this.#take('b')) return [8, 8];
    return this.#escapedSet();
  }

  #escapedSet(): CodePoints {
    const character = this.#next();
    const set = CLASSES[character];
    if (set !== undefined) return set;
    const control = CONTROLS[character];
    if (control !== undefined) return [control, control];
    if (character === 'x') return this.#hex(2);
    if (character === 'u') return this.#peek() === '{' ? this.#bracedHex() : this.#unicode();
    if (character === 'c') {
      const code = this.#next().charCodeAt(0) % 32;
      return [code, code];
    }
    if (character === 'p' || character === 'P') {
      const property = ofProperty(this.#braced());
      if (property === undefined) throw invalid();
      return character === 'p' ? property : complement(property);
    }
    return codeSet(character);
  }

  /** Two halves of a pair are one character. */
  #unicode(): CodePoints {
    const code = this.#digits(4);
    if (code < 0xd800 || code > 0xdbff || this.#peek() !== '\\' || this.#characters[this.#at + 1] !== 'u') {
      return rangeOf(code, code);
    }
    this.#at += 2;
    const low = this.#digits(4);
    const whole = (code - 0xd800) * 0x400 + (low - 0xdc00) + 0x10000;
    return rangeOf(whole, whole);
  }

  #hex(count: number): CodePoints {
    const code = this.#digits(count);
    return rangeOf(code, code);
  }

  #bracedHex(): CodePoints {
    const code = Number.parseInt(this.#braced(), 16);
    if (!(code <= 0x10ffff)) throw invalid();
    return rangeOf(code, code);
  }

  #digits(count: number): number {
    const text = this.#characters.slice(this.#at, this.#at + count).join('');
    if (text.length !== count || !/^[0-9a-fA-F]+$/.test(text)) throw invalid();
    this.#at += count;
    return Number.parseInt(text, 16);
  }

  #braced(): string {
    if (!this.#take('{')) throw invalid();
    let text = '';
    for (let character = this.#next(); character !== '}'; character = this.#next()) text += character;
    return text;
  }

  #peek(): string | undefined {
    return this.#characters[this.#at];
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at += 1;
    return true;
  }

  #next(): string {
    const character = this.#peek();
    if (character === undefined) throw invalid();
    this.#at += 1;
    return character;
  }
}

const CLASSES: Readonly<Record<string, CodePoints>> = {
  d: DIGITS,
  D: complement(DIGITS),
  w: WORD,
  W: complement(WORD),
  s: SPACE,
  S: complement(SPACE),
};
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, 0: 0 };

/** Half a pair is no character that a text could hold. */
function codeSet(character: string): CodePoints {
  const code = character.codePointAt(0) ?? 0;
  return rangeOf(code, code);
}

function sequence(parts: readonly Pattern[]): Pattern {
  const [only] = parts;
  return only !== undefined && parts.length === 1 ? only : { type: 'sequence', parts };
}

function invalid(): PatternTrouble {
  return new PatternTrouble("has a 'pattern' that is no regular expression");
}
