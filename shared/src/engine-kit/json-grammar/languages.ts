/**
 * Sets of texts, told by what may still follow: the derivatives of Brzozowski. Beside what patterns have there are "both of"
 * and "not", so a format, a pattern with lookaheads, a length and names that are taken already make one set, exactly.
 * Equal sets that are built alike are one object, and what can be built is bounded, so that no pattern takes long.
 */
import { MAX_ALL_STATES, MAX_LANGUAGE_PARTS, MAX_LANGUAGE_STEPS } from '../../limits.ts';
import { type CodePoints, has, union } from './code-points.ts';
import type { Pattern } from './pattern.ts';
import { TooLarge } from './schema-trouble.ts';

export interface Language {
  readonly id: number;
  /** Whether the text may end here. */
  readonly ends: boolean;
  readonly form: Form;
}

type Form =
  | { readonly type: 'none' | 'all' | 'end' }
  | { readonly type: 'step'; readonly set: CodePoints; readonly next: Language }
  | { readonly type: 'some' | 'every'; readonly of: readonly Language[] }
  | { readonly type: 'not'; readonly of: Language }
  /** Any number of times what of `body` takes a character, and then `after`. */
  | { readonly type: 'loop'; readonly body: Pattern; readonly after: Language }
  /** Digits, with a point or without, that make a multiple of `divisor` behind a number with this remainder, and then `next`. */
  | { readonly type: 'multiple'; readonly remainder: number; readonly divisor: number; readonly next: Language };

/** What follows a part of a pattern: where it takes no character, so that the place is still the same, and where it takes some. */
interface Ways {
  readonly empty: Language;
  readonly filled: Language;
  /** Whether the place is the beginning of the text, where `^` holds. */
  readonly isStart: boolean;
}

interface SharedSet {
  readonly id: number;
  readonly set: CodePoints;
  readonly pattern: Pattern;
}

export class Languages {
  readonly #known = new Map<string, Language>();
  readonly #bodies = new Map<Pattern, number>();
  readonly #unfolded = new Map<number, Language>();
  readonly #derived = new Map<number, Language>();
  readonly #sets = new Map<string, SharedSet>();
  readonly #shared = new WeakMap<CodePoints, SharedSet>();
  #steps = 0;
  #states = 0;

  readonly none = this.#make('none', { type: 'none' }, false);
  readonly all = this.#make('all', { type: 'all' }, true);
  readonly end = this.#make('end', { type: 'end' }, true);

  /** So far. */
  get steps(): number {
    return this.#steps;
  }

  step(set: CodePoints, next: Language): Language {
    if (set.length === 0 || next === this.none) return this.none;
    const shared = this.#share(set);
    return this.#make(`step ${next.id} ${shared.id}`, { type: 'step', set: shared.set, next }, false);
  }

  text(text: string, next: Language): Language {
    return Array.from(text).reduceRight((rest, character) => {
      const code = character.codePointAt(0) ?? 0;
      return this.step([code, code], rest);
    }, next);
  }

  /** Between so many characters of a set, and then `next`. */
  times(set: CodePoints, least: number, most: number, next: Language): Language {
    let language = next;
    if (Number.isFinite(most)) {
      for (let count = least; count < most; count += 1) language = this.some(next, this.step(set, language));
    } else {
      language = this.loop(this.#share(set).pattern, next);
    }
    for (let count = 0; count < least; count += 1) language = this.step(set, language);
    return language;
  }

  some(...languages: readonly Language[]): Language {
    const steps = new Map<Language, CodePoints>();
    const others = new Set<Language>();
    for (const one of languages.flatMap((language) => (language.form.type === 'some' ? language.form.of : language))) {
      if (one === this.all) return one;
      if (one.form.type === 'step') {
        const { set, next } = one.form;
        const before = steps.get(next);
        steps.set(next, before === undefined ? set : union(before, set));
      } else if (one !== this.none) others.add(one);
    }
    for (const [next, set] of steps) others.add(this.step(set, next));
    return this.#several('some', others, this.none);
  }

  every(...languages: readonly Language[]): Language {
    const parts = new Set<Language>();
    for (const one of languages.flatMap((language) => (language.form.type === 'every' ? language.form.of : language))) {
      if (one === this.none) return one;
      if (one !== this.all) parts.add(one);
    }
    if (parts.has(this.end)) return [...parts].every((part) => part.ends) ? this.end : this.none;
    for (const part of parts) if (part.form.type === 'not' && parts.has(part.form.of)) return this.none;
    return this.#several('every', parts, this.all);
  }

  not(language: Language): Language {
    if (language.form.type === 'not') return language.form.of;
    if (language === this.none) return this.all;
    if (language === this.all) return this.none;
    return this.#make(`not ${language.id}`, { type: 'not', of: language }, !language.ends);
  }

  loop(body: Pattern, after: Language): Language {
    if (after === this.none) return after;
    const id = this.#bodies.get(body) ?? this.#bodies.size;
    this.#bodies.set(body, id);
    return this.#make(`loop ${id} ${after.id}`, { type: 'loop', body, after }, after.ends);
  }

  multiple(divisor: number, next: Language, remainder = 0): Language {
    const form = { type: 'multiple', remainder, divisor, next } as const;
    return this.#make(`multiple ${divisor} ${next.id} ${remainder}`, form, remainder === 0 && next.ends);
  }

  /** A pattern from here on, and then `next`. */
  pattern(pattern: Pattern, next: Language, isStart = false): Language {
    return this.#read(pattern, { empty: next, filled: next, isStart });
  }

  /** What may follow behind this character. */
  behind(language: Language, code: number): Language {
    const key = language.id * 0x110000 + code;
    const known = this.#derived.get(key);
    if (known !== undefined) return known;
    this.#count();
    const derived = this.#derive(language, code);
    this.#derived.set(key, derived);
    return derived;
  }

  /** Sets of characters between which the language tells apart at its first character. */
  firstSets(language: Language, found = new Set<CodePoints>(), seen = new Set<Language>()): ReadonlySet<CodePoints> {
    if (seen.has(language)) return found;
    seen.add(language);
    this.#count();
    const { form } = language;
    if (form.type === 'step') found.add(form.set);
    else if (form.type === 'some' || form.type === 'every') {
      for (const one of form.of) this.firstSets(one, found, seen);
    } else if (form.type === 'not') this.firstSets(form.of, found, seen);
    else if (form.type === 'loop') this.firstSets(this.#unfold(language, form), found, seen);
    else if (form.type === 'multiple') {
      for (const code of MULTIPLE_SIGNS) found.add(this.#share([code, code]).set);
      this.firstSets(form.next, found, seen);
    }
    return found;
  }

  /** Counts a state of an automaton; all of a schema's share one bound. @throws TooLarge */
  countState(): void {
    this.#states += 1;
    if (this.#states > MAX_ALL_STATES) throw new TooLarge();
  }

  /** Tells these sets from others. */
  keyOf(sets: Iterable<CodePoints>): string {
    return Array.from(sets, (set) => this.#share(set).id)
      .sort((left, right) => left - right)
      .join();
  }

  holds(language: Language, text: string): boolean {
    let left = language;
    for (const character of text) left = this.behind(left, character.codePointAt(0) ?? 0);
    return left.ends;
  }

  #derive(language: Language, code: number): Language {
    const { form } = language;
    switch (form.type) {
      case 'all':
        return language;
      case 'none':
      case 'end':
        return this.none;
      case 'step':
        return has(form.set, code) ? form.next : this.none;
      case 'some':
        return this.some(...form.of.map((one) => this.behind(one, code)));
      case 'every':
        return this.every(...form.of.map((one) => this.behind(one, code)));
      case 'not':
        return this.not(this.behind(form.of, code));
      case 'loop':
        return this.behind(this.#unfold(language, form), code);
      case 'multiple': {
        const { divisor, remainder, next } = form;
        const behind = remainder === 0 ? this.behind(next, code) : this.none;
        if (code === POINT) return this.some(language, behind);
        if (code < ZERO || code > ZERO + 9) return behind;
        return this.some(this.multiple(divisor, next, (remainder * 10 + code - ZERO) % divisor), behind);
      }
      default:
        return form satisfies never;
    }
  }

  #unfold(language: Language, { body, after }: Extract<Form, { type: 'loop' }>): Language {
    let unfolded = this.#unfolded.get(language.id);
    if (unfolded === undefined) {
      unfolded = this.some(after, this.#read(body, { empty: this.none, filled: language, isStart: false }));
      this.#unfolded.set(language.id, unfolded);
    }
    return unfolded;
  }

  #read(pattern: Pattern, ways: Ways): Language {
    this.#count();
    if (ways.empty === this.none && ways.filled === this.none) return this.none;
    switch (pattern.type) {
      case 'set':
        return this.step(pattern.set, ways.filled);
      case 'sequence':
        return pattern.parts.reduceRight((behind, part) => this.#before(part, behind), ways).empty;
      case 'choice':
        return this.some(...pattern.options.map((option) => this.#read(option, ways)));
      case 'repeat':
        return this.#repeat(pattern, ways);
      case 'look': {
        const ahead = this.pattern(pattern.body, this.all, ways.isStart);
        return this.every(ways.empty, pattern.negative ? this.not(ahead) : ahead);
      }
      case 'start':
        return ways.isStart ? ways.empty : this.none;
      case 'end':
        return ways.empty.ends ? this.end : this.none;
      default:
        return pattern satisfies never;
    }
  }

  /** The ways from before a pattern to behind it. */
  #before(pattern: Pattern, ways: Ways): Ways {
    const filled = this.pattern(pattern, ways.filled);
    return { ...ways, filled, empty: isOneWay(ways) ? filled : this.#read(pattern, ways) };
  }

  #repeat({ body, least, most }: Extract<Pattern, { type: 'repeat' }>, ways: Ways): Language {
    const { empty, filled } = ways;
    let [language, before] = [filled, filled];
    if (Number.isFinite(most)) {
      for (let count = least; count < most; count += 1) {
        before = language;
        language = this.some(filled, this.pattern(body, before));
        // A body that may be empty adds nothing more.
        if (language === before) break;
      }
    } else {
      language = this.loop(body, filled);
      before = language;
    }
    // What may be left out says nothing where it is empty; what must be there says what it asks of the place.
    const first = () => this.some(empty, this.#read(body, { ...ways, empty: this.none, filled: before }));
    let all: Ways = { ...ways, filled: language, empty: isOneWay(ways) ? language : least < most ? first() : empty };
    for (let count = 0; count < least; count += 1) all = this.#before(body, all);
    return all.empty;
  }

  /** Equal sets are one. */
  #share(set: CodePoints): SharedSet {
    const known = this.#shared.get(set);
    if (known !== undefined) return known;
    const key = set.join();
    const shared = this.#sets.get(key) ?? { id: this.#sets.size, set, pattern: { type: 'set', set } };
    this.#sets.set(key, shared);
    this.#shared.set(set, shared);
    return shared;
  }

  #several(type: 'some' | 'every', parts: ReadonlySet<Language>, otherwise: Language): Language {
    const of = [...parts].sort((left, right) => left.id - right.id);
    const [first] = of;
    if (first === undefined) return otherwise;
    if (of.length === 1) return first;
    const ends = type === 'some' ? of.some((one) => one.ends) : of.every((one) => one.ends);
    this.#count(of.length);
    return this.#make(`${type} ${of.map(({ id }) => id).join()}`, { type, of }, ends);
  }

  #make(key: string, form: Form, ends: boolean): Language {
    let language = this.#known.get(key);
    if (language === undefined) {
      if (this.#known.size >= MAX_LANGUAGE_PARTS) throw new TooLarge();
      language = { id: this.#known.size, ends, form };
      this.#known.set(key, language);
    }
    return language;
  }

  #count(steps = 1): void {
    this.#steps += steps;
    if (this.#steps > MAX_LANGUAGE_STEPS) throw new TooLarge();
  }
}

function isOneWay({ empty, filled, isStart }: Ways): boolean {
  return empty === filled && !isStart;
}

const ZERO = 0x30;
const POINT = 0x2e;
const MULTIPLE_SIGNS = [POINT, ...Array.from({ length: 10 }, (_, digit) => ZERO + digit)];
