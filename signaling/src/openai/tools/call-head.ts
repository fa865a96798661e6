/**
 * The beginning of a call up to its arguments, character by character: `{"name": "…", "arguments": {`, with whitespace
 * between the parts. So a call is known, and told, as soon as its name is.
 */

const NAME = Symbol('name');
const PARTS = ['{', '"name"', ':', NAME, ',', '"arguments"', ':', '{'] as const;
const NAME_CHARACTER = /[a-zA-Z0-9_-]/;
const WHITESPACE = /\s/;

export class CallHead {
  #part = 0;
  /** What was read of the part. */
  #read = '';
  #name = '';

  /** Complete once `push` said `arguments`. */
  get name(): string {
    return this.#name;
  }

  /** `arguments`: this character begins them. `other`: no call begins so. */
  push(character: string): 'more' | 'arguments' | 'other' {
    if (this.#read === '' && WHITESPACE.test(character)) return 'more';
    const part = PARTS[this.#part];
    this.#read += character;
    if (part === NAME) return this.#pushName(character);
    if (part === undefined || !part.startsWith(this.#read)) return 'other';
    return this.#read === part ? this.#nextPart() : 'more';
  }

  #pushName(character: string): 'more' | 'arguments' | 'other' {
    if (this.#read === '"') return 'more';
    if (character === '"') return this.#nextPart();
    if (!NAME_CHARACTER.test(character)) return 'other';
    this.#name += character;
    return 'more';
  }

  #nextPart(): 'more' | 'arguments' {
    this.#read = '';
    this.#part += 1;
    return this.#part === PARTS.length ? 'arguments' : 'more';
  }
}
