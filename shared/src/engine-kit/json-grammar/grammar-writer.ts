/**
 * Writes the rules of a schema. Each value is written for all schemas that hold for it together, once, and later than it is
 * named: so schemas may contain themselves, and how deep they lead costs no stack.
 */
import { MAX_SCHEMA_REPETITION, MAX_SCHEMA_REPETITIONS } from '../../limits.ts';
import { arrayAlternatives } from './array-rules.ts';
import { type Case, Cases } from './cases.ts';
import { SchemaCheck } from './check.ts';
import { times } from './gbnf.ts';
import { TYPE_NAMES, TYPE_OF_KEYWORD, type TypeName } from './keywords.ts';
import { type Language, Languages } from './languages.ts';
import { literalRule } from './literal-rules.ts';
import { type Bound, numbersWithin } from './numbers.ts';
import { objectAlternatives } from './object-rules.ts';
import { type Part, type Rule, Rules } from './rules.ts';
import type { ReadSchema, Schema } from './schema-reader.ts';
import { SchemaTrouble, TooLarge } from './schema-trouble.ts';
import { isFreeText, languageOfTexts, lengthsOf } from './text-languages.ts';
import { TextRules } from './text-rules.ts';

type Alternative = readonly Part[];

export class GrammarWriter {
  readonly rules = new Rules();
  readonly languages = new Languages();
  readonly check: SchemaCheck;
  readonly #texts = new TextRules(this.languages, this.rules);
  readonly #cases: Cases;
  readonly #values = new Map<string, Part>();
  readonly #waiting: (() => void)[] = [];
  /** Why nothing is allowed somewhere; tells why nothing is allowed at all. */
  #impossible: SchemaTrouble | undefined;
  #repetitions = 0;

  constructor(schema: ReadSchema) {
    this.#cases = new Cases(schema.definitions);
    this.check = new SchemaCheck(schema, this.languages);
  }

  /** @throws SchemaTrouble */
  write(schema: Schema): Rule {
    const root = this.rules.of([this.value([schema], '')]);
    for (let job = this.#waiting.shift(); job !== undefined; job = this.#waiting.shift()) job();
    if (!this.rules.prune(root)) {
      throw this.#impossible ?? new SchemaTrouble('', 'describes no value that ever ends');
    }
    return root;
  }

  /** What follows all of these schemas. */
  value(schemas: readonly unknown[], path: string): Part {
    const cases = this.#cases.of(schemas, path);
    const key = cases.map((one) => this.#cases.keyOf(one)).join(' | ');
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    if (cases.some((one) => one.length === 0)) return 'value';
    const rule = this.rules.open();
    this.#values.set(key, rule);
    if (cases.length === 0) this.note(path, 'allows no value');
    this.#waiting.push(() => {
      rule.alternatives = this.#alternatives(cases, path);
    });
    return rule;
  }

  /** The texts that a name may be by these schemas; undefined: any. @throws SchemaTrouble */
  names(schemas: readonly unknown[], path: string): Language | undefined {
    if (schemas.every((schema) => schema === true)) return undefined;
    const languages = this.#cases.of(schemas, path).map((one) => {
      const literals = literalsOf(one);
      if (literals !== undefined) {
        const texts = literals.filter((text) => typeof text === 'string' && this.#allow(one, text)) as string[];
        return this.languages.some(...texts.map((text) => this.languages.text(text, this.languages.end)));
      }
      if (!this.#typesOf(one, path).includes('string')) return this.languages.none;
      return this.#within(this.#textOf(one, path, true), one);
    });
    const all = this.languages.some(...languages);
    return all === this.languages.all ? undefined : all;
  }

  /** A JSON string of a language. */
  stringOf(language: Language, path: string): Rule | undefined {
    return this.bounded(path, () => this.#texts.stringOf(language));
  }

  /** @throws SchemaTrouble when a pattern is too large */
  bounded<Result>(path: string, work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      if (error instanceof TooLarge || error instanceof RangeError)
        throw new SchemaTrouble(path, 'has patterns that take too many states to follow');
      throw error;
    }
  }

  /** `{2,5}` and its like, counted. @throws SchemaTrouble */
  repetition(least: number, most: number, path: string): string {
    if (least > MAX_SCHEMA_REPETITION) {
      throw new SchemaTrouble(path, `asks for more than ${MAX_SCHEMA_REPETITION} of something at least`);
    }
    const written = Number.isFinite(most) ? Math.min(most, MAX_SCHEMA_REPETITION) : most;
    this.#repetitions += Number.isFinite(written) ? written : least;
    if (this.#repetitions > MAX_SCHEMA_REPETITIONS) {
      throw new SchemaTrouble('', `asks for more than ${MAX_SCHEMA_REPETITIONS} repetitions in all`);
    }
    return times(least, written);
  }

  #alternatives(cases: readonly Case[], path: string): readonly Alternative[] {
    const literals: unknown[] = [];
    const alternatives: Alternative[] = [];
    for (const one of cases) {
      const values = literalsOf(one);
      if (values === undefined)
        alternatives.push(...this.#typesOf(one, path).flatMap((type) => this.#ofType(type, one, path)));
      else literals.push(...values.filter((value) => this.#allow(one, value)));
    }
    if (literals.length > 0) alternatives.push(literalRule(this.rules, literals));
    if (alternatives.length === 0) this.note(path, 'allows no value');
    return this.#withSharedBeginnings(alternatives);
  }

  /** An engine follows all alternatives that begin alike; what they share is written once, so that their sum can be told. */
  #withSharedBeginnings(alternatives: readonly Alternative[]): readonly Alternative[] {
    const groups = new Map<Part, Map<string, Alternative>>();
    for (const parts of alternatives) {
      const [first = ''] = parts;
      const text = parts.map((part) => (typeof part === 'string' ? part : part.name)).join(' ');
      groups.set(first, (groups.get(first) ?? new Map<string, Alternative>()).set(text, parts));
    }
    return Array.from(groups, ([first, group]) => {
      const [only = [], ...others] = group.values();
      return others.length === 0
        ? only
        : [first, this.rules.of(...Array.from(group.values(), (parts) => parts.slice(1)))];
    });
  }

  #ofType(type: TypeName, schemas: Case, path: string): readonly Alternative[] {
    switch (type) {
      case 'object':
        return objectAlternatives(this, schemas, path);
      case 'array':
        return arrayAlternatives(this, schemas, path);
      case 'string':
        return this.#string(schemas, path);
      case 'integer':
      case 'number':
        return this.#number(type, schemas, path);
      case 'boolean':
        return [['"true"'], ['"false"']].filter(([text]) => this.#allow(schemas, text === '"true"'));
      case 'null':
        return [['"null"']];
      default:
        return type satisfies never;
    }
  }

  #string(schemas: Case, path: string): readonly Alternative[] {
    const { least, most } = lengthsOf(schemas);
    if (least > most) return this.#nothing(path, `has a 'minLength' above its 'maxLength'`);
    if (isFreeText(schemas)) {
      if (least === 0 && most === Number.POSITIVE_INFINITY) return [['string']];
      return [[String.raw`"\"" char${this.repetition(least, most, path)} "\""`]];
    }
    if (least > MAX_SCHEMA_REPETITION)
      throw new SchemaTrouble(path, `has a 'minLength' above ${MAX_SCHEMA_REPETITION}`);
    const longest = most === Number.POSITIVE_INFINITY ? most : MAX_SCHEMA_REPETITION;
    // Where a format and a pattern leave nothing together, the pattern says more precisely what is meant.
    const hasPattern = schemas.some(({ pattern }) => pattern !== undefined);
    for (const formats of hasPattern ? [true, false] : [true]) {
      const rule = this.bounded(path, () =>
        this.#texts.stringOf(this.#textOf(schemas, path, formats), least, Math.min(most, longest)),
      );
      if (rule !== undefined) return [[rule]];
    }
    return this.#nothing(path, 'leaves no text by its patterns and lengths');
  }

  #textOf(schemas: Case, path: string, formats: boolean): Language {
    return this.bounded(path, () => languageOfTexts(this.languages, schemas, path, formats));
  }

  #within(language: Language, schemas: Case): Language {
    const { least, most } = lengthsOf(schemas);
    if (least === 0 && most === Number.POSITIVE_INFINITY) return language;
    const written = Number.isFinite(most) ? Math.min(most, MAX_SCHEMA_REPETITION) : most;
    return this.languages.every(
      language,
      this.languages.times(
        [0, 0xd7ff, 0xe000, 0x10ffff],
        Math.min(least, MAX_SCHEMA_REPETITION),
        written,
        this.languages.end,
      ),
    );
  }

  #number(type: 'integer' | 'number', schemas: Case, path: string): readonly Alternative[] {
    const bounds = (keyword: string, exclusive: boolean): Bound[] =>
      schemas.flatMap((schema) => {
        const value = schema[keyword];
        return typeof value === 'number' ? [{ value, exclusive }] : [];
      });
    // What is beyond 15 digits anyway bounds nothing.
    const tell = (all: readonly Bound[]) => all.filter(({ value }) => Math.abs(value) < 1e15);
    const least = [...bounds('minimum', false), ...bounds('exclusiveMinimum', true)];
    const most = [...bounds('maximum', false), ...bounds('exclusiveMaximum', true)];
    const isOutside = least.some(({ value }) => value >= 1e15) || most.some(({ value }) => value <= -1e15);
    const multiplesOf = bounds('multipleOf', false).map(({ value }) => value);
    const limits = { least: tell(least), most: tell(most), multiplesOf };
    // Integers have 15 digits without a bound; other numbers may have an exponent.
    const isFree =
      type === 'integer' ? limits.least.length + limits.most.length === 0 : least.length + most.length === 0;
    if (isFree && multiplesOf.length === 0 && !isOutside) return [[type]];
    const rule = isOutside ? undefined : this.#numbersIn(type, limits, path);
    if (rule !== undefined) return [[rule]];
    return this.#nothing(path, `leaves no ${type} between its bounds that this engine could write`);
  }

  /** Multiples that take too many states are checked when the answer is complete. */
  #numbersIn(type: 'integer' | 'number', limits: Parameters<typeof numbersWithin>[2], path: string): Rule | undefined {
    try {
      return this.#texts.plainOf(numbersWithin(this.languages, type, limits));
    } catch (error) {
      if (!(error instanceof TooLarge) || limits.multiplesOf.length === 0) throw error;
      return this.bounded(path, () =>
        this.#texts.plainOf(numbersWithin(this.languages, type, { ...limits, multiplesOf: [] })),
      );
    }
  }

  /** Where none is named the keywords tell it, and where there are none it may be any. */
  #typesOf(schemas: Case, path: string): readonly TypeName[] {
    const typed = schemas.filter(({ type }) => type !== undefined).map(({ type }) => [type].flat());
    const allowed = TYPE_NAMES.filter((type) => !this.#isExcluded(schemas, type, path));
    if (typed.length === 0) {
      const implied = schemas.flatMap((schema) => Object.keys(schema).map((keyword) => TYPE_OF_KEYWORD[keyword]));
      const types = TYPE_NAMES.filter((type) => implied.includes(type));
      // A value that need only not be something is written where it is known what is left.
      if (types.length === 0 && schemas.some(({ not }) => not !== undefined && !this.#isAboutTypes(not, path)))
        return [];
      return allowed.filter((type) => type !== 'integer' && (types.length === 0 || types.includes(type)));
    }
    const isIn = (type: TypeName, types: readonly unknown[]) =>
      types.includes(type) || (type === 'integer' && types.includes('number'));
    const common = allowed.filter((type) => typed.every((types) => isIn(type, types)));
    return common.includes('number') ? common.filter((type) => type !== 'integer') : common;
  }

  #isAboutTypes(not: unknown, path: string): boolean {
    return this.#cases
      .of([not], path)
      .every((one) =>
        TYPE_NAMES.every(
          (type) => one.some((schema) => takesNone(schema, type)) || one.every((schema) => takesAll(schema, type)),
        ),
      );
  }

  #isExcluded(schemas: Case, type: TypeName, path: string): boolean {
    return schemas.some(
      ({ not }) =>
        not !== undefined && this.#cases.of([not], path).some((one) => one.every((schema) => takesAll(schema, type))),
    );
  }

  #allow(schemas: Case, value: unknown): boolean {
    return this.bounded('', () => schemas.every((schema) => this.check.follows(schema, value)));
  }

  #nothing(path: string, trouble: string): readonly Alternative[] {
    this.note(path, trouble);
    return [];
  }

  /** Why nothing is allowed there; what is left out for it may not matter. */
  note(path: string, trouble: string): void {
    this.#impossible ??= new SchemaTrouble(path, trouble);
  }
}

/**
 * Undefined: the case lists no values. Those that are listed stand whatever the format beside them: ours are narrower than
 * the standards', so they would leave out what others take.
 */
function literalsOf(schemas: Case): readonly unknown[] | undefined {
  const listing = schemas.find((schema) => 'const' in schema || Array.isArray(schema.enum));
  if (listing === undefined) return undefined;
  return 'const' in listing ? [listing.const] : (listing.enum as readonly unknown[]);
}

function takesNone({ type: named }: Schema, type: TypeName): boolean {
  const types = named === undefined ? TYPE_NAMES : [named].flat();
  return !types.includes(type) && !(type === 'integer' && types.includes('number'));
}

/** Whether all values of a type follow a schema that has no alternatives. */
function takesAll(schema: Schema, type: TypeName): boolean {
  if (takesNone(schema, type)) return false;
  const { type: _, ...rest } = schema;
  const telling = Object.keys(rest).filter((keyword) => keyword in TYPE_OF_KEYWORD);
  const isListing = 'const' in rest || 'enum' in rest || 'not' in rest;
  const kind = type === 'integer' ? 'number' : type;
  return !isListing && telling.every((keyword) => TYPE_OF_KEYWORD[keyword] !== kind);
}
