/**
 * Objects as rules. Properties come in the schema's order; one that is not required may be left out. Others follow behind
 * them, where the schema describes them.
 */
import type { Case } from './cases.ts';
import { literal } from './gbnf.ts';
import type { GrammarWriter } from './grammar-writer.ts';
import type { Language } from './languages.ts';
import type { Part, Rule } from './rules.ts';
import { inside, isObject, type Schema } from './schema-reader.ts';
import { SchemaTrouble } from './schema-trouble.ts';

export function objectAlternatives(writer: GrammarWriter, schemas: Case, path: string): readonly (readonly Part[])[] {
  if (schemas.every(isAnyObject)) return [['object']];
  return new ObjectWriter(writer, schemas, path).write();
}

/** Past so many counts of properties the count is checked when the answer is complete. */
const MAX_COUNTED = 2_000;
const MAX_NAME_PATTERNS = 16;

class ObjectWriter {
  readonly #writer: GrammarWriter;
  readonly #schemas: Case;
  readonly #path: string;
  readonly #names: readonly string[];
  readonly #required: ReadonlySet<string>;
  readonly #least: number;
  readonly #most: number;

  constructor(writer: GrammarWriter, schemas: Case, path: string) {
    this.#writer = writer;
    this.#schemas = schemas;
    this.#path = path;
    this.#required = new Set(schemas.flatMap(({ required }) => (Array.isArray(required) ? required : [])));
    const listed = schemas.flatMap(({ propertyNames }) => namesIn(propertyNames));
    const described = schemas.flatMap(({ properties }) => Object.keys(isObject(properties) ? properties : {}));
    this.#names = [...new Set([...described, ...this.#required, ...listed])];
    const numbers = (keyword: string) =>
      schemas.map((schema) => schema[keyword]).filter((value) => typeof value === 'number');
    this.#least = Math.ceil(Math.max(0, ...numbers('minProperties')));
    this.#most = Math.floor(Math.min(Number.POSITIVE_INFINITY, ...numbers('maxProperties')));
  }

  write(): readonly (readonly Part[])[] {
    if (this.#least > this.#most) {
      this.#writer.note(this.#path, "has a 'minProperties' above its 'maxProperties'");
      return [];
    }
    const pairs = this.#names.flatMap((name) => {
      const pair = this.#pair(name);
      return pair === undefined && !this.#required.has(name) ? [] : [{ name, pair }];
    });
    const missing = pairs.find(({ pair }) => pair === undefined);
    if (missing !== undefined) {
      this.#writer.note(
        inside(this.#path, missing.name.slice(0, 80)),
        "is required by one part and forbidden by another, as by its 'additionalProperties' or 'propertyNames'",
      );
      return [];
    }
    const others = this.#otherPair();
    const needed = Number.isFinite(this.#most) ? this.#most : this.#least;
    const counted = (pairs.length + 1) * (needed + 1) > MAX_COUNTED ? 1 : Math.max(1, needed);
    const known = new Map<string, Part>();

    // From the last to the first, or a long chain would take the stack.
    const at = (index: number, count: number): Part => known.get(`${index} ${count}`) ?? '"}"';
    for (let count = 0; count <= counted; count += 1) {
      known.set(`${pairs.length} ${count}`, this.#ending(count, counted, others));
    }
    for (let index = pairs.length - 1; index >= 0; index -= 1) {
      const { name = '', pair = [] } = pairs[index] ?? {};
      for (let count = 0; count <= Math.min(index, counted); count += 1) {
        const isFull = counted >= needed && count >= this.#most;
        const written = [
          ...(count === 0 ? [] : ['"," space']),
          ...(pair ?? []),
          at(index + 1, Math.min(count + 1, counted)),
        ];
        const left = this.#required.has(name) ? [] : [[at(index + 1, count)]];
        known.set(`${index} ${count}`, this.#writer.rules.of(...(isFull ? [] : [written]), ...left));
      }
    }
    return [['"{" space', at(0, 0)]];
  }

  /** Behind the properties that have a name, of which so many were written, `counted` or more. */
  #ending(count: number, counted: number, others: Rule | undefined): Part {
    const isExact = counted >= (Number.isFinite(this.#most) ? this.#most : this.#least) || this.#names.length === 0;
    const least = isExact ? Math.max(0, this.#least - count) : 0;
    const most = isExact && Number.isFinite(this.#most) ? this.#most - count : Number.POSITIVE_INFINITY;
    if (others === undefined || most <= 0) return least > 0 ? this.#writer.rules.of() : '"}"';
    const { rules } = this.#writer;
    const repetition = (already: number) =>
      this.#writer.repetition(Math.max(0, least - already), most - already, this.#path);
    if (count > 0) return rules.of(['("," space', others, `)${repetition(0)} "}"`]);
    return rules.of([others, '("," space', others, `)${repetition(1)} "}"`], ...(least === 0 ? [['"}"']] : []));
  }

  /** Undefined: it can't be there. */
  #pair(name: string): readonly Part[] | undefined {
    const { check } = this.#writer;
    const path = inside(this.#path, name);
    const mayBe = this.#writer.bounded(path, () =>
      this.#schemas.every(({ propertyNames = true }) => check.follows(propertyNames, name)),
    );
    const values = this.#schemas.flatMap((schema) => this.#describing(schema, name));
    if (!mayBe || values.includes(false)) return undefined;
    return [`${literal(JSON.stringify(name))} space ":" space`, this.#writer.value(values, path), 'space'];
  }

  #describing(schema: Schema, name: string): readonly unknown[] {
    const { properties, additionalProperties, unevaluatedProperties } = schema;
    const own = isObject(properties) && Object.hasOwn(properties, name) ? [properties[name]] : [];
    const patterns = Object.entries(isObject(schema.patternProperties) ? schema.patternProperties : {});
    const matching = this.#writer.bounded(inside(this.#path, name), () =>
      patterns.filter(([pattern]) => this.#writer.check.matches(pattern, name)).map(([, one]) => one),
    );
    if (own.length + matching.length > 0) return [...own, ...matching];
    if (additionalProperties !== undefined) return [additionalProperties];
    return unevaluatedProperties === undefined || unevaluatedProperties === false ? [] : [unevaluatedProperties];
  }

  /** Any property without a name of its own; undefined: there is none. */
  #otherPair(): Rule | undefined {
    const patterns = this.#schemas.flatMap(({ patternProperties }) =>
      Object.keys(isObject(patternProperties) ? patternProperties : {}),
    );
    const isDescribed = this.#schemas.some(({ additionalProperties }) => saysOthersMayBe(additionalProperties));
    if (this.#names.length > 0 && patterns.length === 0 && !isDescribed) return undefined;
    const distinct = [...new Set(patterns)];
    if (distinct.length > MAX_NAME_PATTERNS) {
      throw new SchemaTrouble(this.#path, `has more than ${MAX_NAME_PATTERNS} 'patternProperties'`);
    }
    const { rules, languages } = this.#writer;
    const alternatives = this.#writer.bounded(this.#path, () => {
      const sets = distinct.map((pattern) => this.#writer.names([{ pattern }], this.#path) ?? languages.all);
      const matchingOne = sets.map((set, index) =>
        languages.every(set, ...sets.filter((_, other) => other !== index).map((other) => languages.not(other))),
      );
      const pairs = matchingOne.map((set, index) => this.#otherPairOf(set, distinct[index]));
      const isClosed = distinct.length > 0 && !isDescribed;
      const none = languages.every(...sets.map((set) => languages.not(set)));
      return [...pairs, ...(isClosed ? [] : [this.#otherPairOf(none, undefined)])];
    });
    const possible = alternatives.filter((pair) => pair !== undefined);
    return possible.length === 0 ? undefined : rules.of(...possible);
  }

  /** @param pattern that the names match; undefined: none of them */
  #otherPairOf(set: Language, pattern: string | undefined): readonly Part[] | undefined {
    const { languages } = this.#writer;
    const values = this.#schemas.flatMap((schema) => {
      const { patternProperties } = schema;
      if (pattern !== undefined && isObject(patternProperties) && Object.hasOwn(patternProperties, pattern)) {
        return [patternProperties[pattern]];
      }
      return schema.additionalProperties === undefined ? [] : [schema.additionalProperties];
    });
    if (values.includes(false)) return undefined;
    const allowed = this.#writer.names(
      this.#schemas.map(({ propertyNames = true }) => propertyNames),
      inside(this.#path, 'propertyNames'),
    );
    const taken = this.#names.map((name) => languages.not(languages.text(name, languages.end)));
    const keys = languages.every(set, allowed ?? languages.all, ...taken);
    const key = keys === languages.all ? 'string' : this.#writer.stringOf(keys, this.#path);
    if (key === undefined) return undefined;
    const value = this.#writer.value(values, inside(this.#path, pattern ?? 'additionalProperties'));
    return [key, 'space ":" space', value, 'space'];
  }
}

/** Where names are listed they are properties like others. */
function namesIn(propertyNames: unknown): readonly string[] {
  if (!isObject(propertyNames)) return [];
  const { enum: values, const: value } = propertyNames;
  return [value, ...(Array.isArray(values) ? values : [])].filter((name) => typeof name === 'string');
}

function saysOthersMayBe(additionalProperties: unknown): boolean {
  return additionalProperties === true || isObject(additionalProperties);
}

/** Nothing is said of it. */
function isAnyObject(schema: Schema): boolean {
  return (
    Object.keys(schema).every((keyword) => !OF_OBJECTS.has(keyword)) && (schema.additionalProperties ?? true) === true
  );
}

const OF_OBJECTS: ReadonlySet<string> = new Set([
  'properties',
  'required',
  'patternProperties',
  'propertyNames',
  'minProperties',
  'maxProperties',
]);
