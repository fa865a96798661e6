/**
 * A JSON schema as a grammar can follow it: its form is right, and what it refers to stands where it refers to it. So no
 * engine needs to know references, and none gets a schema without an end. Its bounds are the grammar's own, so that what no
 * engine takes is refused here, by the name of its field.
 */
import { MAX_SCHEMA_CHARS, MAX_SCHEMA_LEVELS, MAX_SCHEMA_PARTS } from '@tabmesh/shared';
import { fieldError } from '../../http/request-body.ts';
import { MAX_JSON_LEVELS } from '../../limits/limits.ts';

type JsonSchema = Readonly<Record<string, unknown>>;

/** What JSON takes around a schema, and around a name. */
const BRACKETS = 2;
const QUOTES = 4;

const TYPES: ReadonlySet<unknown> = new Set(['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']);
/** What a keyword holds; any other keyword's value is taken as it is. */
const OF_SCHEMA: ReadonlySet<string> = new Set([
  'additionalProperties',
  'unevaluatedProperties',
  'propertyNames',
  'contains',
  'not',
  'if',
  'then',
  'else',
]);
const OF_LIST: ReadonlySet<string> = new Set(['anyOf', 'oneOf', 'allOf', 'prefixItems']);
const OF_MAP: ReadonlySet<string> = new Set(['properties', 'patternProperties', 'dependentSchemas']);
/** Needed no more once references are resolved. */
const DROPPED: ReadonlySet<string> = new Set(['$schema', '$id', '$defs', 'definitions', '$ref']);

/** @throws MeshError `invalid_request` that names the field: the schema's own name, and where in it the trouble is */
export function flatSchema(schema: JsonSchema, field: string): Record<string, unknown> {
  let schemas = 0;
  let chars = 0;

  /** As it goes along: what references put in place many times is never built to be measured. */
  function grow(more: number): void {
    chars += more;
    if (chars > MAX_SCHEMA_CHARS) {
      throw fieldError(
        field,
        `is larger than ${MAX_SCHEMA_CHARS / 1024} KB with its references in place. Make it smaller.`,
      );
    }
  }

  function flat(node: unknown, path: string, depth: number, open: readonly string[]): unknown {
    grow(BRACKETS);
    if (typeof node === 'boolean') return node;
    if (!isObject(node)) throw fieldError(path, 'is no JSON schema. Correct it.');
    schemas += 1;
    // References that lead to references are no levels of the schema that an engine sees, but are followed one in another.
    if (Math.max(depth, open.length) > MAX_SCHEMA_LEVELS) {
      throw fieldError(field, `is nested deeper than ${MAX_SCHEMA_LEVELS} levels. Make it flatter.`);
    }
    if (schemas > MAX_SCHEMA_PARTS)
      throw fieldError(field, `describes over ${MAX_SCHEMA_PARTS} values. Make it smaller.`);
    const flattened: Record<string, unknown> = {};
    if (node.$ref !== undefined) Object.assign(flattened, target(node.$ref, path, depth, open));
    for (const [keyword, value] of Object.entries(node)) {
      if (DROPPED.has(keyword)) continue;
      grow(keyword.length + QUOTES);
      flattened[keyword] = keywordOf(keyword, value, `${path}.${keyword}`, depth + 1, open);
    }
    return flattened;
  }

  function keywordOf(keyword: string, value: unknown, path: string, depth: number, open: readonly string[]): unknown {
    const list = (schemas: readonly unknown[]) =>
      schemas.map((item, index) => flat(item, `${path}[${index}]`, depth, open));
    if (OF_MAP.has(keyword)) {
      if (!isObject(value)) throw fieldError(path, 'must be an object of schemas. Correct it.');
      const entries = Object.entries(value).map(([key, item]) => {
        grow(key.length + QUOTES);
        return [key, flat(item, `${path}.${key}`, depth, open)];
      });
      return Object.fromEntries(entries);
    }
    if (OF_LIST.has(keyword)) {
      if (!Array.isArray(value) || value.length === 0) throw fieldError(path, 'must be a list of schemas. Correct it.');
      return list(value);
    }
    if (keyword === 'items') return Array.isArray(value) ? list(value) : flat(value, path, depth, open);
    if (OF_SCHEMA.has(keyword)) return flat(value, path, depth, open);
    checkValue(keyword, value, path);
    grow(JSON.stringify(value).length);
    return value;
  }

  function target(reference: unknown, path: string, depth: number, open: readonly string[]): unknown {
    if (typeof reference !== 'string' || !reference.startsWith('#')) {
      throw fieldError(`${path}.$ref`, "must point into the schema itself, as in '#/$defs/name'. Correct it.");
    }
    if (open.includes(reference)) {
      throw fieldError(
        `${path}.$ref`,
        'makes the schema contain itself, which no engine can follow. Write out one level.',
      );
    }
    grow(reference.length);
    const found = pointedAt(schema, reference);
    if (found === undefined) throw fieldError(`${path}.$ref`, 'points to nothing. Correct it.');
    const flattened = flat(found, path, depth, [...open, reference]);
    // `true` allows everything, as no keyword does.
    return flattened === true ? {} : flattened === false ? { not: {} } : flattened;
  }

  if (isDeeperThan(schema, MAX_JSON_LEVELS)) {
    throw fieldError(field, `is nested deeper than ${MAX_JSON_LEVELS} levels. Make it flatter.`);
  }
  // The root counts as open, or a `#` inside would be put in place once.
  const flattened = flat(schema, field, 0, ['#']);
  return isObject(flattened) ? flattened : {};
}

/** Level by level, because a recursion would end with the stack. */
export function isDeeperThan(value: unknown, levels: number): boolean {
  let level = [value];
  for (let depth = 0; depth <= levels; depth += 1) {
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []));
    if (level.length === 0) return false;
  }
  return true;
}

function checkValue(keyword: string, value: unknown, path: string): void {
  if (keyword === 'type') {
    const types = Array.isArray(value) ? value : [value];
    if (types.length === 0 || !types.every((type) => TYPES.has(type))) {
      throw fieldError(path, `must be one of ${[...TYPES].join(', ')}, or a list of them. Correct it.`);
    }
  } else if (keyword === 'required') {
    if (!Array.isArray(value) || !value.every((name) => typeof name === 'string')) {
      throw fieldError(path, 'must be a list of names. Correct it.');
    }
  } else if (keyword === 'enum' && (!Array.isArray(value) || value.length === 0)) {
    throw fieldError(path, 'must be a list of values. Correct it.');
  }
}

/** A JSON pointer, as it stands behind the `#`. */
function pointedAt(root: unknown, reference: string): unknown {
  if (reference === '#') return root;
  if (!reference.startsWith('#/')) return undefined;
  const keys = reference.slice(2).split('/');
  return keys.reduce<unknown>((found, key) => {
    const name = key.replaceAll('~1', '/').replaceAll('~0', '~');
    return typeof found === 'object' && found !== null && Object.hasOwn(found, name)
      ? (found as Record<string, unknown>)[name]
      : undefined;
  }, root);
}

function isObject(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
