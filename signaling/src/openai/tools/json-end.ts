/**
 * Finds the end of a JSON object in a stream, character by character. It knows strings and brackets only: what is between
 * them is the reader's business.
 */
export class JsonEnd {
  /** The brackets that would close what is open. */
  readonly #open: string[] = [];
  #string: 'outside' | 'inside' | 'escaped' = 'outside';

  /** `end`: this character closes the object. `broken`: with it there is no JSON any more. */
  push(character: string): 'more' | 'end' | 'broken' {
    if (this.#string !== 'outside') {
      if (character < ' ') return 'broken';
      if (this.#string === 'escaped') this.#string = 'inside';
      else if (character === '\\') this.#string = 'escaped';
      else if (character === '"') this.#string = 'outside';
      return 'more';
    }
    switch (character) {
      case '"':
        this.#string = 'inside';
        return 'more';
      case '{':
        this.#open.push('}');
        return 'more';
      case '[':
        this.#open.push(']');
        return 'more';
      case '}':
      case ']':
        if (this.#open.pop() !== character) return 'broken';
        return this.#open.length === 0 ? 'end' : 'more';
      case '<':
        return 'broken';
      default:
        return 'more';
    }
  }
}
