/** A grammar of llama.cpp, read and run without llama.cpp: it writes texts at random, and tells whether a text follows it. */

type Expression =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'class'; readonly ranges: readonly (readonly [number, number])[]; readonly negative: boolean }
  | { readonly type: 'rule'; readonly name: string }
  | { readonly type: 'sequence' | 'choice'; readonly of: readonly Expression[] }
  | { readonly type: 'repeat'; readonly of: Expression; readonly least: number; readonly most: number };

export class GbnfMachine {
  readonly #rules: ReadonlyMap<string, Expression>;
  /** Of a rule: the fewest rules within each other that it takes to end. */
  readonly #heights = new Map<string, number>();

  constructor(grammar: string) {
    const lines = grammar.split('\n').map((line) => /^(\S+) ::= ?(.*)$/.exec(line));
    this.#rules = new Map(lines.map((line) => [line?.[1] ?? '', new Reader(line?.[2] ?? '').read()]));
    for (let before = -1; before < this.#heights.size; ) {
      before = this.#heights.size;
      for (const [name, rule] of this.#rules) {
        const height = this.#heightOf(rule);
        if (!this.#heights.has(name) && Number.isFinite(height)) this.#heights.set(name, height + 1);
      }
    }
  }

  /** @param random from 0 to 1; @param depth past which the shortest way out is taken */
  write(random: () => number, depth = 30): string {
    return this.#write({ type: 'rule', name: 'root' }, random, depth);
  }

  follows(text: string): boolean {
    const known = new Map<string, ReadonlySet<number>>();
    return this.#ends({ type: 'rule', name: 'root' }, Array.from(text), 0, known).has(Array.from(text).length);
  }

  #write(expression: Expression, random: () => number, depth: number): string {
    switch (expression.type) {
      case 'text':
        return expression.text;
      case 'class':
        return characterOf(expression, random);
      case 'rule':
        return this.#write(this.#rule(expression.name), random, depth - 1);
      case 'sequence':
        return expression.of.map((one) => this.#write(one, random, depth)).join('');
      case 'choice': {
        const lowest = Math.min(...expression.of.map((one) => this.#heightOf(one)));
        const options = expression.of.filter((one) => {
          const height = this.#heightOf(one);
          return Number.isFinite(height) && (depth > 0 || height === lowest);
        });
        const chosen = options[Math.floor(random() * options.length)];
        return chosen === undefined ? '' : this.#write(chosen, random, depth);
      }
      case 'repeat': {
        const most = depth > 0 ? Math.min(expression.most, expression.least + 3) : expression.least;
        const count = expression.least + Math.floor(random() * (most - expression.least + 1));
        return Array.from({ length: count }, () => this.#write(expression.of, random, depth)).join('');
      }
      default:
        return expression satisfies never;
    }
  }

  #ends(
    expression: Expression,
    text: readonly string[],
    at: number,
    known: Map<string, ReadonlySet<number>>,
  ): ReadonlySet<number> {
    switch (expression.type) {
      case 'text': {
        const written = Array.from(expression.text);
        return new Set(written.every((sign, index) => text[at + index] === sign) ? [at + written.length] : []);
      }
      case 'class': {
        const code = text[at]?.codePointAt(0);
        if (code === undefined) return new Set();
        const isIn = expression.ranges.some(([first, last]) => code >= first && code <= last);
        return new Set(isIn === expression.negative ? [] : [at + 1]);
      }
      case 'rule': {
        const key = `${expression.name} ${at}`;
        const found = known.get(key) ?? this.#ends(this.#rule(expression.name), text, at, known);
        known.set(key, found);
        return found;
      }
      case 'sequence': {
        let places: ReadonlySet<number> = new Set([at]);
        for (const one of expression.of) {
          places = new Set(Array.from(places, (place) => [...this.#ends(one, text, place, known)]).flat());
        }
        return places;
      }
      case 'choice':
        return new Set(expression.of.flatMap((one) => [...this.#ends(one, text, at, known)]));
      case 'repeat': {
        const ends = new Set<number>();
        let places: ReadonlySet<number> = new Set([at]);
        for (let count = 0; count <= expression.most && places.size > 0; count += 1) {
          if (count >= expression.least) {
            const fresh = [...places].filter((place) => !ends.has(place));
            if (fresh.length === 0 && count > expression.least) break;
            for (const place of fresh) ends.add(place);
          }
          places = new Set([...places].flatMap((place) => [...this.#ends(expression.of, text, place, known)]));
        }
        return ends;
      }
      default:
        return expression satisfies never;
    }
  }

  #heightOf(expression: Expression): number {
    switch (expression.type) {
      case 'rule':
        return this.#heights.get(expression.name) ?? Number.POSITIVE_INFINITY;
      case 'sequence':
        return Math.max(0, ...expression.of.map((one) => this.#heightOf(one)));
      case 'choice':
        return Math.min(...expression.of.map((one) => this.#heightOf(one)));
      case 'repeat':
        return expression.least === 0 ? 0 : this.#heightOf(expression.of);
      default:
        return 0;
    }
  }

  #rule(name: string): Expression {
    const rule = this.#rules.get(name);
    if (rule === undefined) throw new Error(`The grammar has no rule '${name}'.`);
    return rule;
  }
}

/** Of ranges near each other's beginnings, so that whole alphabets are not only rare signs. */
function characterOf({ ranges, negative }: Extract<Expression, { type: 'class' }>, random: () => number): string {
  const isIn = (code: number) => ranges.some(([first, last]) => code >= first && code <= last) !== negative;
  const [first, last] = ranges[Math.floor(random() * ranges.length)] ?? [0x20, 0x7e];
  const codes = negative
    ? Array.from({ length: 20 }, () =>
        Math.floor(random() * (random() < 0.7 ? 0x7f : random() < 0.5 ? 0x3000 : 0x1ffff)),
      )
    : [first + Math.floor(random() * (last - first + 1))];
  const code = codes.find((one) => isIn(one) && (one < 0xd800 || one > 0xdfff));
  return String.fromCodePoint(code ?? (isIn(0x78) ? 0x78 : first));
}

class Reader {
  readonly #signs: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#signs = Array.from(text);
  }

  read(): Expression {
    const options = [this.#sequence()];
    while (this.#signs[this.#at] === '|') {
      this.#at += 1;
      options.push(this.#sequence());
    }
    return { type: 'choice', of: options };
  }

  #sequence(): Expression {
    const parts: Expression[] = [];
    for (;;) {
      while (this.#signs[this.#at] === ' ') this.#at += 1;
      const sign = this.#signs[this.#at];
      if (sign === undefined || sign === '|' || sign === ')') return { type: 'sequence', of: parts };
      parts.push(this.#repeated(this.#one(sign)));
    }
  }

  #repeated(of: Expression): Expression {
    const sign = this.#signs[this.#at];
    const rest = this.#signs.slice(this.#at, this.#at + 20).join('');
    const counts = /^\{(\d+)(,?)(\d*)\}/.exec(rest);
    if (counts !== null) {
      this.#at += counts[0].length;
      const least = Number(counts[1]);
      const most = counts[2] === '' ? least : counts[3] === '' ? Number.POSITIVE_INFINITY : Number(counts[3]);
      return { type: 'repeat', of, least, most };
    }
    if (sign !== '*' && sign !== '+' && sign !== '?') return of;
    this.#at += 1;
    return { type: 'repeat', of, least: sign === '+' ? 1 : 0, most: sign === '?' ? 1 : Number.POSITIVE_INFINITY };
  }

  #one(sign: string): Expression {
    if (sign === '"') {
      this.#at += 1;
      let text = '';
      while (this.#signs[this.#at] !== '"') text += String.fromCodePoint(this.#code());
      this.#at += 1;
      return { type: 'text', text };
    }
    if (sign === '[') return this.#class();
    if (sign === '(') {
      this.#at += 1;
      const inner = this.read();
      if (this.#signs[this.#at] !== ')') throw new Error('A group of the grammar has no end.');
      this.#at += 1;
      return inner;
    }
    let name = '';
    while (/[\w-]/.test(this.#signs[this.#at] ?? '')) {
      name += this.#signs[this.#at];
      this.#at += 1;
    }
    if (name === '') throw new Error(`The grammar has '${sign}' where a rule should stand.`);
    return { type: 'rule', name };
  }

  #class(): Expression {
    this.#at += 1;
    const negative = this.#signs[this.#at] === '^';
    if (negative) this.#at += 1;
    const ranges: (readonly [number, number])[] = [];
    while (this.#signs[this.#at] !== ']') {
      const first = this.#code();
      if (this.#signs[this.#at] === '-' && this.#signs[this.#at + 1] !== ']') {
        this.#at += 1;
        ranges.push([first, this.#code()]);
      } else ranges.push([first, first]);
    }
    this.#at += 1;
    return { type: 'class', ranges, negative };
  }

  #code(): number {
    const sign = this.#signs[this.#at];
    if (sign === undefined) throw new Error('The grammar ends within a text.');
    this.#at += 1;
    if (sign !== '\\') return sign.codePointAt(0) ?? 0;
    const letter = this.#signs[this.#at] ?? '';
    this.#at += 1;
    const digits = { x: 2, u: 4, U: 8 }[letter];
    if (digits !== undefined) {
      const text = this.#signs.slice(this.#at, this.#at + digits).join('');
      this.#at += digits;
      return Number.parseInt(text, 16);
    }
    return { n: 10, r: 13, t: 9 }[letter] ?? letter.codePointAt(0) ?? 0;
  }
}
