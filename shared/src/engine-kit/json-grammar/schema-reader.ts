/**
 * A JSON schema from anybody, read into one form before anything else looks at it: bounded, its keywords of the right kind,
 * the words of older drafts and of OpenAPI in those of 2020-12, and what it refers to under plain names in `$defs`. So one
 * place knows drafts and references, and every engine gets a schema that stands for itself, also within another one.
 */
import { MAX_SCHEMA_CHARS, MAX_SCHEMA_LEVELS, MAX_SCHEMA_PARTS } from '../../limits.ts';
import { checkKeyword, OF_LIST, OF_MAP, OF_SCHEMA } from './keywords.ts';
import { SchemaTrouble } from './schema-trouble.ts';

export type Schema = Readonly<Record<string, unknown>>;

export interface ReadSchema {
  /** Without `$defs`. */
  readonly schema: Schema;
  /** What `#/$defs/name` points to; the schemas may refer to each other and to themselves. */
  readonly definitions: Schema;
}

/**
 * @param namespace before the names of its definitions, where they come to stand beside those of others
 * @throws SchemaTrouble
 */
export function readSchema(schema: Schema, namespace = ''): ReadSchema {
  if (lengthOf(schema) > MAX_SCHEMA_CHARS) {
    throw new SchemaTrouble('', `is longer than ${MAX_SCHEMA_CHARS / 1024} KB`);
  }
  return new SchemaReader(schema, namespace).read();
}

/** As one schema again. */
export function whole({ schema, definitions }: ReadSchema): Record<string, unknown> {
  return Object.keys(definitions).length === 0 ? { ...schema } : { ...schema, $defs: definitions };
}

export function isObject(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What the form has no more. */
const DROPPED: ReadonlySet<string> = new Set([
  '$schema',
  '$id',
  'id',
  '$anchor',
  '$dynamicAnchor',
  '$recursiveAnchor',
  '$vocabulary',
  '$comment',
  '$defs',
  'definitions',
  '$ref',
  '$dynamicRef',
  '$recursiveRef',
  'nullable',
  'additionalItems',
  'dependencies',
  '__proto__',
]);

class SchemaReader {
  readonly #root: Schema;
  readonly #namespace: string;
  readonly #names = new Map<unknown, string>();
  readonly #waiting: { readonly target: unknown; readonly name: string; readonly path: string }[] = [];
  #anchors: ReadonlyMap<string, Schema> | undefined;
  #parts = 0;

  constructor(root: Schema, namespace: string) {
    this.#root = root;
    this.#namespace = namespace;
  }

  read(): ReadSchema {
    const schema = this.#schema(this.#referredRoot(), '', 0);
    const definitions: Record<string, unknown> = {};
    // Reading one may find others.
    for (const { target, name, path } of this.#waiting) definitions[name] = this.#schema(target, path, 0);
    return { schema: isObject(schema) ? schema : {}, definitions };
  }

  /** What the root only refers to stands in its place: servers want to see there that it is an object. */
  #referredRoot(): Schema {
    let root = this.#root;
    for (
      const seen = new Set<unknown>();
      typeof root.$ref === 'string' && Object.keys(root).every(isBesideReference);
    ) {
      const { $ref, ...notes } = root;
      const target = this.#target($ref);
      if (!isObject(target) || seen.has(target) || target === this.#root) break;
      seen.add(target);
      root = { ...target, ...notes };
    }
    return root;
  }

  #schema(node: unknown, path: string, level: number): unknown {
    if (typeof node === 'boolean') return node;
    if (!isObject(node)) throw new SchemaTrouble(path, 'is no JSON schema that a value could follow');
    this.#count(1);
    if (level > MAX_SCHEMA_LEVELS) throw new SchemaTrouble('', `is nested more than ${MAX_SCHEMA_LEVELS} levels deep`);
    const read: Record<string, unknown> = {};
    for (const [keyword, value] of Object.entries(node)) {
      if (DROPPED.has(keyword)) continue;
      read[keyword] = this.#keyword(keyword, value, inside(path, keyword), level + 1);
    }
    this.#tuple(node, read, path, level);
    this.#dependencies(node, read, path, level);
    oldBounds(node, read);
    const reference = node.$ref ?? node.$dynamicRef ?? node.$recursiveRef;
    if (reference !== undefined) read.$ref = this.#reference(reference, inside(path, '$ref'));
    return node.nullable === true ? orNull(read) : read;
  }

  #keyword(keyword: string, value: unknown, path: string, level: number): unknown {
    if (OF_MAP.has(keyword)) {
      if (!isObject(value)) throw new SchemaTrouble(path, 'must be an object of schemas');
      return Object.fromEntries(
        Object.entries(value).map(([name, one]) => [name, this.#schema(one, inside(path, name), level)]),
      );
    }
    if (OF_LIST.has(keyword)) {
      if (!Array.isArray(value) || value.length === 0) throw new SchemaTrouble(path, 'must be a list of schemas');
      return value.map((one, index) => this.#schema(one, `${path}[${index}]`, level));
    }
    if (keyword === 'items' && Array.isArray(value)) return undefined;
    if (OF_SCHEMA.has(keyword)) return this.#schema(value, path, level);
    checkKeyword(keyword, value, path);
    if (keyword === 'enum' && Array.isArray(value)) this.#count(value.length);
    return value;
  }

  /** `items` of draft 7 is a tuple where it is a list. */
  #tuple(node: Schema, read: Record<string, unknown>, path: string, level: number): void {
    if (!Array.isArray(node.items)) return;
    read.prefixItems = node.items.map((one, index) =>
      this.#schema(one, `${inside(path, 'items')}[${index}]`, level + 1),
    );
    delete read.items;
    if (node.items.length === 0) delete read.prefixItems;
    if (node.additionalItems !== undefined) {
      read.items = this.#schema(node.additionalItems, inside(path, 'additionalItems'), level + 1);
    }
  }

  #dependencies(node: Schema, read: Record<string, unknown>, path: string, level: number): void {
    if (node.dependencies === undefined) return;
    if (!isObject(node.dependencies)) throw new SchemaTrouble(inside(path, 'dependencies'), 'must be an object');
    const required = isObject(read.dependentRequired) ? { ...read.dependentRequired } : {};
    const schemas = isObject(read.dependentSchemas) ? { ...read.dependentSchemas } : {};
    for (const [name, one] of Object.entries(node.dependencies)) {
      if (Array.isArray(one)) required[name] = one;
      else schemas[name] = this.#schema(one, inside(inside(path, 'dependencies'), name), level + 1);
    }
    Object.assign(read, { dependentRequired: required, dependentSchemas: schemas });
  }

  #reference(reference: unknown, path: string): string {
    if (typeof reference !== 'string') throw new SchemaTrouble(path, 'must be a text');
    const target = this.#target(reference);
    if (target === undefined) {
      const trouble = reference.startsWith('#')
        ? 'points to nothing'
        : "must point into the schema itself, as in '#/$defs/name'";
      throw new SchemaTrouble(path, trouble);
    }
    let name = this.#names.get(target);
    if (name === undefined) {
      const taken = new Set(this.#names.values());
      const wanted = this.#namespace + (/[A-Za-z][\w-]{0,40}$/.exec(reference)?.[0] ?? 'root');
      name = wanted;
      for (let number = 2; taken.has(name); number += 1) name = `${wanted}${number}`;
      this.#names.set(target, name);
      this.#waiting.push({ target, name, path: pathOf(reference) });
    }
    return `#/$defs/${name}`;
  }

  /** A JSON pointer within a URI, an anchor, or the schema's own `$id`. */
  #target(reference: string): unknown {
    if (reference === '#' || reference === '') return this.#root;
    if (!reference.startsWith('#/')) return this.#anchored().get(reference.replace(/#$/, ''));
    return stepsOf(reference).reduce<unknown>((found, name) => {
      if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return undefined;
      return Reflect.get(found, name);
    }, this.#root);
  }

  /** TypeBox refers to a recursive type by its `$id`. */
  #anchored(): ReadonlyMap<string, Schema> {
    if (this.#anchors !== undefined) return this.#anchors;
    const anchors = new Map<string, Schema>();
    const found: unknown[] = [this.#root];
    for (const node of found) {
      if (typeof node !== 'object' || node === null) continue;
      if (isObject(node)) {
        for (const [keyword, sign] of [
          ['$id', ''],
          ['$anchor', '#'],
          ['$dynamicAnchor', '#'],
        ] as const) {
          const name = node[keyword];
          if (typeof name === 'string') anchors.set(sign + name.replace(/#$/, ''), node);
        }
      }
      for (const value of Object.values(node)) found.push(value);
    }
    this.#anchors = anchors;
    return anchors;
  }

  #count(parts: number): void {
    this.#parts += parts;
    if (this.#parts > MAX_SCHEMA_PARTS) throw new SchemaTrouble('', `has more than ${MAX_SCHEMA_PARTS} parts`);
  }
}

function isBesideReference(keyword: string): boolean {
  return DROPPED.has(keyword) || keyword === 'title' || keyword === 'description';
}

/** OpenAPI 3.0 says beside a schema that null is allowed, too. */
function orNull(read: Schema): Schema {
  const { type, enum: values } = read;
  if (type === undefined || 'const' in read) return { anyOf: [read, { type: 'null' }] };
  return {
    ...read,
    type: [...new Set([type, 'null'].flat())],
    ...(Array.isArray(values) && !values.includes(null) ? { enum: [...values, null] } : {}),
  };
}

/** In draft 4 `exclusiveMinimum` says of `minimum` that it is one. */
function oldBounds(node: Schema, read: Record<string, unknown>): void {
  for (const [flag, bound] of [
    ['exclusiveMinimum', 'minimum'],
    ['exclusiveMaximum', 'maximum'],
  ] as const) {
    if (typeof node[flag] !== 'boolean') continue;
    delete read[flag];
    if (node[flag] === true && read[bound] !== undefined) {
      read[flag] = read[bound];
      delete read[bound];
    }
  }
}

function stepsOf(reference: string): readonly string[] {
  const steps = reference.slice(2).split('/');
  try {
    return steps.map((step) => unescaped(decodeURIComponent(step)));
  } catch {
    return steps.map(unescaped);
  }
}

function unescaped(step: string): string {
  return step.replaceAll('~1', '/').replaceAll('~0', '~');
}

function pathOf(reference: string): string {
  return reference.startsWith('#/') ? stepsOf(reference).join('.') : '';
}

export function inside(path: string, step: string): string {
  return path === '' ? step : `${path}.${step}`;
}

/** Something nested deeper than the stack has no text. */
function lengthOf(schema: Schema): number {
  try {
    return JSON.stringify(schema).length;
  } catch {
    throw new SchemaTrouble('', 'is nested too deep');
  }
}
