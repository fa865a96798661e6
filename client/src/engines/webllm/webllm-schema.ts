/**
 * A schema as WebLLM's own grammar takes it (xgrammar 0.1). It ends its whole engine at lookaheads, and passes over a second
 * part of `allOf` and over lengths beside a pattern: such a schema is left to a peer with another engine.
 */
import { MeshError } from '@tabmesh/shared';
import { readSchema, whole } from '@tabmesh/shared/json-grammar';

type Schema = Readonly<Record<string, unknown>>;

/** @throws MeshError `unsupported` */
export function toWebllmSchema(schema: Schema): Schema {
  return adapted(whole(readSchema(schema)));
}

/** Formats that xgrammar writes; of a pattern beside them it would write the pattern alone. */
const FORMATS: ReadonlySet<unknown> = new Set([
  'email',
  'date',
  'time',
  'date-time',
  'duration',
  'ipv4',
  'ipv6',
  'uuid',
  'uri',
]);

function adapted(schema: Schema): Schema {
  const { pattern, format, allOf } = schema;
  const isFormat = FORMATS.has(format);
  const isBounded = 'minLength' in schema || 'maxLength' in schema;
  if (Array.isArray(allOf) && allOf.length > 1) throw MeshError.unsupportedFeature("json: 'allOf' of several");
  if (typeof pattern === 'string' && !isFormat) {
    if (pattern.includes('(?=') || pattern.includes('(?!')) throw MeshError.unsupportedFeature('json: lookaheads');
    if (isBounded) throw MeshError.unsupportedFeature("json: a length beside a 'pattern'");
  }
  const left = Object.entries(schema).filter(([keyword]) => !(isFormat && keyword === 'pattern'));
  return Object.fromEntries(left.map(([keyword, value]) => [keyword, within(keyword, value)]));
}

function within(keyword: string, value: unknown): unknown {
  if (keyword === 'const' || keyword === 'enum' || keyword === 'default' || keyword === 'examples') return value;
  if (keyword === 'properties' || keyword === '$defs' || keyword === 'patternProperties') {
    if (!isObject(value)) return value;
    // What must never be there is not there: xgrammar would take it for anything.
    const possible = Object.entries(value).filter(([, one]) => !isNothing(one));
    return Object.fromEntries(possible.map(([name, one]) => [name, isObject(one) ? adapted(one) : one]));
  }
  if (Array.isArray(value)) return value.map((one: unknown) => (isObject(one) ? adapted(one) : one));
  return isObject(value) ? adapted(value) : value;
}

function isNothing(schema: unknown): boolean {
  return isObject(schema) && isObject(schema.not) && Object.keys(schema.not).length === 0;
}

function isObject(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
