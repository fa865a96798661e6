/** Which words of JSON Schema hold what. Those that stand nowhere here are notes, as the standard has it. */
import { SchemaTrouble } from './schema-trouble.ts';

export const OF_SCHEMA: ReadonlySet<string> = new Set([
  'additionalProperties',
  'unevaluatedProperties',
  'unevaluatedItems',
  'propertyNames',
  'contains',
  'items',
  'not',
  'if',
  'then',
  'else',
]);
export const OF_LIST: ReadonlySet<string> = new Set(['anyOf', 'oneOf', 'allOf', 'prefixItems']);
export const OF_MAP: ReadonlySet<string> = new Set(['properties', 'patternProperties', 'dependentSchemas']);

export const TYPE_NAMES = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'] as const;
export type TypeName = (typeof TYPE_NAMES)[number];

/** A keyword tells the type where the schema itself doesn't. */
export const TYPE_OF_KEYWORD: Readonly<Record<string, TypeName>> = {
  properties: 'object',
  required: 'object',
  additionalProperties: 'object',
  unevaluatedProperties: 'object',
  patternProperties: 'object',
  propertyNames: 'object',
  minProperties: 'object',
  maxProperties: 'object',
  dependentRequired: 'object',
  dependentSchemas: 'object',
  items: 'array',
  prefixItems: 'array',
  unevaluatedItems: 'array',
  contains: 'array',
  minItems: 'array',
  maxItems: 'array',
  uniqueItems: 'array',
  minLength: 'string',
  maxLength: 'string',
  pattern: 'string',
  format: 'string',
  minimum: 'number',
  maximum: 'number',
  exclusiveMinimum: 'number',
  exclusiveMaximum: 'number',
  multipleOf: 'number',
};

const COUNTS: ReadonlySet<string> = new Set([
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'minProperties',
  'maxProperties',
  'minContains',
  'maxContains',
]);
const NUMBERS: ReadonlySet<string> = new Set(['minimum', 'maximum']);
const TYPES: ReadonlySet<unknown> = new Set(TYPE_NAMES);

/** @throws SchemaTrouble when a keyword's value is of the wrong kind */
export function checkKeyword(keyword: string, value: unknown, path: string): void {
  const trouble = troubleOf(keyword, value);
  if (trouble !== undefined) throw new SchemaTrouble(path, trouble);
}

function troubleOf(keyword: string, value: unknown): string | undefined {
  if (keyword === 'type') {
    const types = Array.isArray(value) ? value : [value];
    if (types.length > 0 && types.every((type) => TYPES.has(type))) return undefined;
    const unknown = JSON.stringify(types.find((type) => !TYPES.has(type)))?.slice(0, 60);
    return `has the unknown type ${unknown}; it must be one of ${TYPE_NAMES.join(', ')}, or a list of them`;
  }
  if (keyword === 'required') {
    const isRight = Array.isArray(value) && value.every((name) => typeof name === 'string');
    return isRight ? undefined : 'must be a list of names';
  }
  if (keyword === 'enum') return Array.isArray(value) && value.length > 0 ? undefined : 'must be a list of values';
  if (keyword === 'pattern') return typeof value === 'string' ? undefined : 'must be a text';
  if (COUNTS.has(keyword)) {
    return typeof value === 'number' && value >= 0 ? undefined : 'must be a count';
  }
  if (NUMBERS.has(keyword)) return typeof value === 'number' ? undefined : 'must be a number';
  if (keyword === 'exclusiveMinimum' || keyword === 'exclusiveMaximum') {
    return typeof value === 'number' || typeof value === 'boolean' ? undefined : 'must be a number';
  }
  if (keyword === 'multipleOf') return typeof value === 'number' && value > 0 ? undefined : 'must be a number above 0';
  if (keyword === 'dependentRequired') {
    const isRight =
      typeof value === 'object' && value !== null && Object.values(value).every((names) => Array.isArray(names));
    return isRight ? undefined : 'must be an object of lists of names';
  }
  return undefined;
}
