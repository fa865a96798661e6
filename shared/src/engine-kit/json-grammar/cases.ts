/**
 * What several schemas allow at once, as cases: in each, some schemas hold together that have no alternatives, references or
 * conditions any more. `allOf`, `anyOf`, `oneOf`, `$ref`, `if` and what stands beside them thus become one thing.
 */
import { MAX_SCHEMA_CASES } from '../../limits.ts';
import { isObject, type Schema } from './schema-reader.ts';
import { SchemaTrouble } from './schema-trouble.ts';

/** Schemas that hold together. */
export type Case = readonly Schema[];

const ANYTHING: readonly Case[] = [[]];

export class Cases {
  readonly #definitions: Schema;
  readonly #known = new Map<Schema, readonly Case[]>();
  readonly #open = new Set<Schema>();
  readonly #ids = new Map<Schema, number>();

  constructor(definitions: Schema) {
    this.#definitions = definitions;
  }

  /** @throws SchemaTrouble when there are too many, or a schema is nothing but itself */
  of(schemas: readonly unknown[], path: string): readonly Case[] {
    return schemas.reduce<readonly Case[]>(
      (cases, schema) => this.#product(cases, this.#ofOne(schema, path), path),
      ANYTHING,
    );
  }

  keyOf(schemas: readonly unknown[]): string {
    const ids = schemas.map((schema) => {
      if (!isObject(schema)) return String(schema);
      const id = this.#ids.get(schema) ?? this.#ids.size;
      this.#ids.set(schema, id);
      return id;
    });
    return [...new Set(ids)].join();
  }

  #ofOne(schema: unknown, path: string): readonly Case[] {
    if (schema === true) return ANYTHING;
    if (!isObject(schema)) return [];
    const known = this.#known.get(schema);
    if (known !== undefined) return known;
    if (this.#open.has(schema))
      throw new SchemaTrouble(path, 'refers to itself with nothing between, which describes no value');
    this.#open.add(schema);
    const cases = this.#unfold(schema, path);
    this.#open.delete(schema);
    this.#known.set(schema, cases);
    return cases;
  }

  #unfold(schema: Schema, path: string): readonly Case[] {
    const { $ref, allOf, anyOf, oneOf } = schema;
    let cases: readonly Case[] = [saysMore(schema) ? [schema] : []];
    if (typeof $ref === 'string') {
      cases = this.#product(cases, this.#ofOne(this.#definitions[$ref.slice('#/$defs/'.length)], path), path);
    }
    for (const one of listOf(allOf)) cases = this.#product(cases, this.#ofOne(one, path), path);
    for (const options of [anyOf, oneOf]) {
      if (options === undefined) continue;
      cases = this.#product(
        cases,
        this.#either(
          listOf(options).map((one) => [one]),
          path,
        ),
        path,
      );
    }
    if (schema.if !== undefined && (schema.then !== undefined || schema.else !== undefined)) {
      const branches = [[schema.if, schema.then ?? true], [schema.else ?? true]];
      cases = this.#product(cases, this.#either(branches, path), path);
    }
    return cases;
  }

  #either(options: readonly (readonly unknown[])[], path: string): readonly Case[] {
    return this.#distinct(
      options.flatMap((schemas) => this.of(schemas, path)),
      path,
    );
  }

  #product(left: readonly Case[], right: readonly Case[], path: string): readonly Case[] {
    if (left.length === 1 && left[0]?.length === 0) return right;
    if (right.length === 1 && right[0]?.length === 0) return left;
    if (left.length * right.length > 4 * MAX_SCHEMA_CASES) throw tooMany(path);
    return this.#distinct(
      left.flatMap((one) => right.map((other) => [...new Set([...one, ...other])])),
      path,
    );
  }

  #distinct(cases: readonly Case[], path: string): readonly Case[] {
    const distinct = new Map(cases.map((one) => [this.keyOf(one), one]));
    if (distinct.size > MAX_SCHEMA_CASES) throw tooMany(path);
    return [...distinct.values()];
  }
}

function tooMany(path: string): SchemaTrouble {
  return new SchemaTrouble(path, `combines its alternatives into more than ${MAX_SCHEMA_CASES}`);
}

/** Whether a keyword stands there beside those that become cases. */
function saysMore(schema: Schema): boolean {
  return Object.keys(schema).some((keyword) => OWN_KEYWORDS.has(keyword));
}

/** What describes a value by itself. */
const OWN_KEYWORDS: ReadonlySet<string> = new Set([
  'type',
  'const',
  'enum',
  'not',
  'properties',
  'required',
  'additionalProperties',
  'unevaluatedProperties',
  'patternProperties',
  'propertyNames',
  'minProperties',
  'maxProperties',
  'dependentSchemas',
  'dependentRequired',
  'prefixItems',
  'items',
  'unevaluatedItems',
  'contains',
  'minItems',
  'maxItems',
  'uniqueItems',
  'pattern',
  'format',
  'minLength',
  'maxLength',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
]);

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
