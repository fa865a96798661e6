/**
 * Whether a value follows a schema, for what no grammar holds and for engines that have none. The libraries for it compile
 * (ajv takes seconds for 64 KB) or run patterns that a stranger wrote as regular expressions, for minutes if they are written
 * so; here each look at a value counts, and there is an end to them.
 */
import { MAX_CHECK_STEPS } from '../../limits.ts';
import type { Language, Languages } from './languages.ts';
import { isObject, type ReadSchema, type Schema } from './schema-reader.ts';
import { TooLarge } from './schema-trouble.ts';
import { languageOfPattern } from './text-languages.ts';

export interface Violation {
  /** A JSON pointer into the value. */
  readonly at: string;
  readonly keyword: string;
}

export class SchemaCheck {
  readonly #definitions: Schema;
  readonly #schema: Schema;
  readonly #languages: Languages;
  readonly #patterns = new Map<string, Language | undefined>();
  #steps = 0;

  constructor({ schema, definitions }: ReadSchema, languages: Languages) {
    this.#schema = schema;
    this.#definitions = definitions;
    this.#languages = languages;
  }

  /** The first one found; undefined: none, or none within the bounds of a check. */
  violationOf(value: unknown): Violation | undefined {
    try {
      return this.#find(this.#schema, value, '');
    } catch (error) {
      if (error instanceof TooLarge || error instanceof RangeError) return undefined;
      throw error;
    } finally {
      this.#steps = 0;
    }
  }

  follows(schema: unknown, value: unknown): boolean {
    return this.#find(schema, value, '') === undefined;
  }

  /** Undefined: nobody can tell. */
  matches(pattern: string, text: string): boolean | undefined {
    let language = this.#patterns.get(pattern);
    if (!this.#patterns.has(pattern)) {
      language = languageOfPattern(this.#languages, pattern);
      this.#patterns.set(pattern, language);
    }
    this.#count(text.length);
    return language && this.#languages.holds(language, text);
  }

  #find(schema: unknown, value: unknown, at: string): Violation | undefined {
    this.#count(1);
    if (schema === true) return undefined;
    if (!isObject(schema)) return { at, keyword: 'false' };
    const failing = (keyword: string) => ({ at, keyword });
    if (typeof schema.$ref === 'string') {
      const found = this.#find(this.#definition(schema.$ref), value, at);
      if (found !== undefined) return found;
    }
    if (schema.type !== undefined && ![schema.type].flat().some((type) => isOfType(value, type)))
      return failing('type');
    if ('const' in schema && !this.#isSame(schema.const, value)) return failing('const');
    if (Array.isArray(schema.enum) && !schema.enum.some((one) => this.#isSame(one, value))) return failing('enum');
    return (
      this.#ofCombination(schema, value, at) ??
      (typeof value === 'string' ? this.#ofText(schema, value, at) : undefined) ??
      (typeof value === 'number' ? ofNumber(schema, value, at) : undefined) ??
      (Array.isArray(value) ? this.#ofArray(schema, value, at) : undefined) ??
      (isObject(value) ? this.#ofObject(schema, value, at) : undefined)
    );
  }

  #ofCombination(schema: Schema, value: unknown, at: string): Violation | undefined {
    for (const one of listOf(schema.allOf)) {
      const found = this.#find(one, value, at);
      if (found !== undefined) return found;
    }
    if (schema.anyOf !== undefined) {
      const found = listOf(schema.anyOf).map((one) => () => this.#find(one, value, at));
      const [first, ...others] = found;
      const why = first?.();
      // One alternative alone tells more than that none of them fits.
      if (why !== undefined && !others.some((find) => find() === undefined)) {
        return others.length === 0 ? why : { at, keyword: 'anyOf' };
      }
    }
    if (schema.oneOf !== undefined) {
      const fitting = listOf(schema.oneOf).filter((one) => this.follows(one, value));
      if (fitting.length !== 1) return { at, keyword: 'oneOf' };
    }
    if (schema.not !== undefined && this.follows(schema.not, value)) return { at, keyword: 'not' };
    if (schema.if !== undefined) {
      const branch = this.follows(schema.if, value) ? schema.then : schema.else;
      if (branch !== undefined) return this.#find(branch, value, at);
    }
    return undefined;
  }

  #ofText(schema: Schema, text: string, at: string): Violation | undefined {
    const { minLength, maxLength, pattern } = schema;
    if (typeof minLength === 'number' || typeof maxLength === 'number') {
      let length = 0;
      for (const _ of text) length += 1;
      if (typeof minLength === 'number' && length < minLength) return { at, keyword: 'minLength' };
      if (typeof maxLength === 'number' && length > maxLength) return { at, keyword: 'maxLength' };
    }
    if (typeof pattern === 'string' && this.matches(pattern, text) === false) return { at, keyword: 'pattern' };
    return undefined;
  }

  #ofArray(schema: Schema, items: readonly unknown[], at: string): Violation | undefined {
    const { minItems, maxItems, uniqueItems, contains } = schema;
    if (typeof minItems === 'number' && items.length < minItems) return { at, keyword: 'minItems' };
    if (typeof maxItems === 'number' && items.length > maxItems) return { at, keyword: 'maxItems' };
    const leading = listOf(schema.prefixItems);
    for (const [index, item] of items.entries()) {
      const of = index < leading.length ? leading[index] : (schema.items ?? schema.unevaluatedItems ?? true);
      const found = this.#find(of, item, `${at}/${index}`);
      if (found !== undefined) return found;
    }
    if (uniqueItems === true && new Set(items.map((item) => this.#canonical(item))).size < items.length) {
      return { at, keyword: 'uniqueItems' };
    }
    if (contains === undefined) return undefined;
    const count = items.filter((item) => this.follows(contains, item)).length;
    const { minContains = 1, maxContains = Number.POSITIVE_INFINITY } = schema;
    return count < Number(minContains) || count > Number(maxContains) ? { at, keyword: 'contains' } : undefined;
  }

  #ofObject(schema: Schema, value: Schema, at: string): Violation | undefined {
    const names = Object.keys(value);
    const { minProperties, maxProperties } = schema;
    if (typeof minProperties === 'number' && names.length < minProperties) return { at, keyword: 'minProperties' };
    if (typeof maxProperties === 'number' && names.length > maxProperties) return { at, keyword: 'maxProperties' };
    for (const name of listOf(schema.required)) {
      if (!Object.hasOwn(value, String(name))) return { at, keyword: 'required' };
    }
    for (const name of names) {
      const place = `${at}/${name.slice(0, 80).replaceAll('~', '~0').replaceAll('/', '~1')}`;
      if (schema.propertyNames !== undefined && !this.follows(schema.propertyNames, name)) {
        return { at: place, keyword: 'propertyNames' };
      }
      for (const one of this.#schemasFor(schema, name)) {
        const found = this.#find(one, value[name], place);
        if (found !== undefined) return found;
      }
    }
    return this.#ofDependencies(schema, value, at) ?? this.#ofUnevaluated(schema, value, at);
  }

  #ofDependencies(schema: Schema, value: Schema, at: string): Violation | undefined {
    for (const [name, needed] of entriesOf(schema.dependentRequired)) {
      if (Object.hasOwn(value, name) && !listOf(needed).every((other) => Object.hasOwn(value, String(other)))) {
        return { at, keyword: 'dependentRequired' };
      }
    }
    for (const [name, one] of entriesOf(schema.dependentSchemas)) {
      const found = Object.hasOwn(value, name) ? this.#find(one, value, at) : undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #ofUnevaluated(schema: Schema, value: Schema, at: string): Violation | undefined {
    const { unevaluatedProperties } = schema;
    if (unevaluatedProperties === undefined || unevaluatedProperties === true) return undefined;
    const seen = this.#evaluated({ ...schema, unevaluatedProperties: undefined }, value);
    for (const name of Object.keys(value)) {
      if (!seen.has(name) && !this.follows(unevaluatedProperties, value[name])) {
        return { at, keyword: 'unevaluatedProperties' };
      }
    }
    return undefined;
  }

  /** Names of the properties that a schema, or one that holds beside it, describes. */
  #evaluated(schema: unknown, value: Schema): Set<string> {
    const seen = new Set<string>();
    if (!isObject(schema)) return seen;
    this.#count(1);
    if (schema.additionalProperties !== undefined || schema.unevaluatedProperties !== undefined) {
      return new Set(Object.keys(value));
    }
    for (const name of Object.keys(value)) if (this.#schemasFor(schema, name).length > 0) seen.add(name);
    const beside = [
      ...(typeof schema.$ref === 'string' ? [this.#definition(schema.$ref)] : []),
      ...listOf(schema.allOf),
      ...[...listOf(schema.anyOf), ...listOf(schema.oneOf)].filter((one) => this.follows(one, value)),
      ...entriesOf(schema.dependentSchemas).flatMap(([name, one]) => (Object.hasOwn(value, name) ? [one] : [])),
      ...(schema.if === undefined
        ? []
        : this.follows(schema.if, value)
          ? [schema.if, schema.then ?? true]
          : [schema.else ?? true]),
    ];
    for (const one of beside) for (const name of this.#evaluated(one, value)) seen.add(name);
    return seen;
  }

  /** What `properties` and its kin say of one property. */
  #schemasFor(schema: Schema, name: string): readonly unknown[] {
    const { properties, additionalProperties } = schema;
    const own = isObject(properties) && Object.hasOwn(properties, name) ? [properties[name]] : [];
    const matching = entriesOf(schema.patternProperties).filter(([pattern]) => this.matches(pattern, name) ?? true);
    const described = [...own, ...matching.map(([, one]) => one)];
    return described.length > 0 || additionalProperties === undefined ? described : [additionalProperties];
  }

  #definition(reference: string): unknown {
    const name = reference.slice('#/$defs/'.length);
    return Object.hasOwn(this.#definitions, name) ? this.#definitions[name] : true;
  }

  #isSame(one: unknown, other: unknown): boolean {
    if (typeof one !== 'object' || one === null) return one === other;
    return typeof other === 'object' && other !== null && this.#canonical(one) === this.#canonical(other);
  }

  /** Equal values have equal texts, whatever the order of their names. */
  #canonical(value: unknown): string {
    const text = JSON.stringify(value, (_, part: unknown) =>
      isObject(part)
        ? Object.fromEntries(Object.entries(part).sort(([left], [right]) => (left < right ? -1 : 1)))
        : part,
    );
    this.#count(1 + Math.floor(text.length / 16));
    return text;
  }

  #count(steps: number): void {
    this.#steps += steps;
    if (this.#steps > MAX_CHECK_STEPS) throw new TooLarge();
  }
}

export function isOfType(value: unknown, type: unknown): boolean {
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'object') return isObject(value);
  if (type === 'integer') return Number.isInteger(value);
  return typeof value === type;
}

function ofNumber(schema: Schema, value: number, at: string): Violation | undefined {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  if (typeof minimum === 'number' && value < minimum) return { at, keyword: 'minimum' };
  if (typeof maximum === 'number' && value > maximum) return { at, keyword: 'maximum' };
  if (typeof exclusiveMinimum === 'number' && value <= exclusiveMinimum) return { at, keyword: 'exclusiveMinimum' };
  if (typeof exclusiveMaximum === 'number' && value >= exclusiveMaximum) return { at, keyword: 'exclusiveMaximum' };
  if (typeof multipleOf !== 'number') return undefined;
  // 0.07 is a multiple of 0.01, though not for processors.
  const count = value / multipleOf;
  return Math.abs(count - Math.round(count)) > 1e-8 * Math.max(1, Math.abs(count))
    ? { at, keyword: 'multipleOf' }
    : undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function entriesOf(value: unknown): readonly (readonly [string, unknown])[] {
  return isObject(value) ? Object.entries(value) : [];
}
