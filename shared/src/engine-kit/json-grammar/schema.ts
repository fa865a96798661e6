/**
 * JSON Schema to a grammar of llama.cpp (GBNF), for native peers and tabs alike, so that JSON which one began can be ended
 * by the other. The grammar may let through less than the schema does, and never more: what a schema asks for and no grammar
 * can hold is refused. The conversions that node-llama-cpp and llama.cpp bring along make every property required, know no
 * `anyOf` or pass over bounds, and run out of their stack on deep schemas.
 */
import { MeshError } from '../../errors.ts';
import {
  MAX_GRAMMAR_CHECKS,
  MAX_SCHEMA_CHARS,
  MAX_SCHEMA_LEVELS,
  MAX_SCHEMA_PARTS,
  MAX_SCHEMA_REPETITION,
  MAX_SCHEMA_REPETITIONS,
} from '../../limits.ts';
import { BASE_RULES, BYTE, FORMATS, literal, times } from './gbnf.ts';
import { FORMS, TYPE_OF_KEYWORD, type TypeName, UNKNOWN_KEYWORDS } from './keywords.ts';
import { integerRule, numberRule } from './numbers.ts';

/** Any JSON object. */
export function anyObjectGrammar(): string {
  return new GrammarWriter({}).finish('object');
}

/**
 * @param vocabularySize of the model, for engines that compare each token with each choice that there is at a place
 * @throws MeshError `invalid_request` that names what can't be followed.
 */
export function grammarOfSchema(schema: Readonly<Record<string, unknown>>, vocabularySize = 0): string {
  if (lengthOf(schema) > MAX_SCHEMA_CHARS) throw refusal('', `is longer than ${MAX_SCHEMA_CHARS / 1024} KB`);
  const writer = new GrammarWriter(schema);
  const grammar = writer.finish(writer.value(schema, { path: '', level: 0, references: [] }));
  const most = Math.max(LEAST_CHOICES, Math.floor(MAX_GRAMMAR_CHECKS / vocabularySize));
  if (writer.mostChoices > most) {
    throw refusal('', `offers ${writer.mostChoices} choices at one place, of which this model follows ${most} at most`);
  }
  return grammar;
}

/** What every model follows, whatever it costs: a form with some optional fields. */
const LEAST_CHOICES = 64;

/** Where in the schema: for the refusal, and against schemas that never end. */
interface Place {
  readonly path: string;
  readonly level: number;
  readonly references: readonly string[];
}

type Schema = Readonly<Record<string, unknown>>;

class GrammarWriter {
  readonly #root: Schema;
  readonly #rules = new Map<string, string>(Object.entries(BASE_RULES));
  readonly #names = new Map<string, string>();
  /** Of rules and expressions: how many ways there are at one place of it at most, where it is more than one. */
  readonly #choices = new Map<string, number>();
  #mostChoices = 1;
  #parts = 0;
  #repetitions = 0;

  constructor(root: Schema) {
    this.#root = root;
  }

  get mostChoices(): number {
    return this.#mostChoices;
  }

  finish(root: string): string {
    return [`root ::= ${root}`, ...Array.from(this.#rules, ([name, body]) => `${name} ::= ${body}`)].join('\n');
  }

  /** The name of a rule, or an expression that can stand in any place. */
  value(schema: unknown, place: Place): string {
    this.#count(1);
    if (place.level > MAX_SCHEMA_LEVELS)
      throw refusal(place.path, `is nested more than ${MAX_SCHEMA_LEVELS} levels deep`);
    if (schema === true) return 'value';
    if (!isObject(schema)) throw refusal(place.path, 'is no schema that a value could follow');
    for (const keyword of UNKNOWN_KEYWORDS) {
      if (keyword in schema && !saysNothing(keyword, schema[keyword]))
        throw refusal(place.path, `has '${keyword}', which this engine can't enforce`);
    }
    const forms = FORMS.filter((form) => form in schema);
    if (forms.length > 1) throw refusal(place.path, `has both '${forms[0]}' and '${forms[1]}'`);
    const [form] = forms;
    if (form === undefined) return this.#typed(schema, place);
    const beside = Object.keys(schema).find((keyword) => Object.hasOwn(TYPE_OF_KEYWORD, keyword));
    if (beside !== undefined) throw refusal(place.path, `has both '${form}' and '${beside}'`);
    switch (form) {
      case '$ref':
        return this.#reference(schema.$ref, place);
      case 'const':
        return this.#literals([schema.const], schema.type, place);
      case 'enum':
        return this.#literals(listOf(schema.enum, 'enum', place), schema.type, place);
      default:
        return this.#alternatives(form, schema, place);
    }
  }

  #typed(schema: Schema, place: Place): string {
    const types = schema.type === undefined ? impliedTypes(schema) : [schema.type].flat();
    if (types.length === 0) return 'value';
    return this.#either(types.map((type) => this.#ofType(type, schema, place)));
  }

  #ofType(type: unknown, schema: Schema, place: Place): string {
    switch (type) {
      case 'object':
        return this.#object(schema, place);
      case 'array':
        return this.#array(schema, place);
      case 'string':
        return this.#string(schema, place);
      case 'integer':
      case 'number':
        return this.#bounded(type, schema, place);
      case 'boolean':
        return '("true" | "false")';
      case 'null':
        return '"null"';
      default:
        throw refusal(place.path, `has the unknown type ${JSON.stringify(type)?.slice(0, 60)}`);
    }
  }

  /** Properties come in the schema's order; one that is not required may be left out. */
  #object(schema: Schema, place: Place): string {
    const properties = isObject(schema.properties) ? schema.properties : {};
    const required = new Set(schema.required === undefined ? [] : listOf(schema.required, 'required', place));
    if (Object.keys(properties).length === 0 && required.size === 0) {
      const others = schema.additionalProperties ?? true;
      if (others === false) return '("{" space "}")';
      if (others === true) return 'object';
      const pair = this.#rule(
        `string space ":" space ${this.value(others, inside(place, 'additionalProperties'))} space`,
      );
      return this.#rule(`"{" space (${pair} ("," space ${pair})*)? "}"`);
    }
    for (const name of required) {
      if (typeof name !== 'string' || !Object.hasOwn(properties, name)) {
        throw refusal(place.path, `requires the property ${JSON.stringify(name)} without describing it`);
      }
    }
    // From the last to the first: what may follow when nothing has been written yet, and when something has.
    let first = '""';
    let next = '""';
    let run = 1;
    let longestRun = 1;
    for (const [name, described] of Object.entries(properties).reverse()) {
      if (described === false && !required.has(name)) continue;
      run = required.has(name) ? 1 : run + 1;
      longestRun = Math.max(longestRun, run);
      const value = this.value(described, inside(place, name));
      const pair = `${literal(JSON.stringify(name))} space ":" space ${value} space`;
      const [skipFirst, skipNext] = required.has(name) ? ['', ''] : [` | ${first}`, ` | ${next}`];
      first = this.#rule(`${pair} ${next}${skipFirst}`);
      next = this.#rule(`"," space ${pair} ${next}${skipNext}`);
    }
    return this.#choosing(longestRun, this.#rule(`"{" space ${first} "}"`));
  }

  #array(schema: Schema, place: Place): string {
    const leading = schema.prefixItems === undefined ? [] : listOf(schema.prefixItems, 'prefixItems', place);
    const fixed = leading.map((item, index) => this.value(item, inside(place, `prefixItems[${index}]`)));
    const { least, most } = this.#extent(schema, ['minItems', 'maxItems'], place);
    if (schema.uniqueItems === true && most > 1)
      throw refusal(place.path, `has 'uniqueItems', which this engine can't enforce`);
    if (most < fixed.length) throw refusal(place.path, `has more 'prefixItems' than 'maxItems'`);
    const start = fixed.map((item) => `${item} space`).join(' "," space ');
    const others = schema.items ?? true;
    if (others === false || most === fixed.length) {
      if (least > fixed.length) throw refusal(place.path, `has fewer items than 'minItems'`);
      return this.#rule(`"[" space ${start === '' ? '""' : start} "]"`);
    }
    const item = this.value(others, inside(place, 'items'));
    if (start !== '') {
      return this.#rule(
        `"[" space ${start} ("," space ${item} space)${times(least - fixed.length, most - fixed.length)} "]"`,
      );
    }
    const rest = `${item} space ("," space ${item} space)${times(least - 1, most - 1)}`;
    return this.#rule(least > 0 ? `"[" space ${rest} "]"` : `"[" space (${rest})? "]"`);
  }

  #string(schema: Schema, place: Place): string {
    const { format } = schema;
    const bounded = 'minLength' in schema || 'maxLength' in schema;
    const body = typeof format === 'string' ? this.#format(format) : undefined;
    if (body !== undefined) {
      if (bounded) throw refusal(place.path, `has both 'format' and a length`);
      return this.#rule(String.raw`"\"" ${body} "\""`);
    }
    if (!bounded) return 'string';
    const { least, most } = this.#extent(schema, ['minLength', 'maxLength'], place);
    return this.#rule(String.raw`"\"" char${times(least, most)} "\""`);
  }

  /** Formats that are unknown are notes, as in JSON Schema itself. */
  #format(format: string): string | undefined {
    if (format === 'date-time') return `${FORMATS.date} "T" ${FORMATS.time}`;
    if (format === 'ipv4') this.#rules.set('byte', BYTE);
    return Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined;
  }

  #bounded(type: 'integer' | 'number', schema: Schema, place: Place): string {
    const bound = (keyword: string) => {
      const value = schema[keyword];
      if (value === undefined) return undefined;
      if (typeof value !== 'number') throw refusal(place.path, `has a '${keyword}' that is no number`);
      return value;
    };
    const bounds = {
      minimum: bound('minimum'),
      maximum: bound('maximum'),
      exclusiveMinimum: bound('exclusiveMinimum'),
      exclusiveMaximum: bound('exclusiveMaximum'),
    };
    if (Object.values(bounds).every((value) => value === undefined)) return type;
    const rule = type === 'integer' ? integerRule(bounds) : numberRule(bounds);
    if (rule === undefined)
      throw refusal(place.path, `leaves no ${type} between its bounds that this engine could write`);
    return this.#rule(rule);
  }

  #literals(values: readonly unknown[], type: unknown, place: Place): string {
    const allowed = values.filter((value) => type === undefined || [type].flat().some((name) => isOfType(value, name)));
    if (allowed.length === 0) throw refusal(place.path, 'allows no value');
    this.#count(allowed.length);
    return this.#literalChoice(allowed.map((value) => JSON.stringify(value)));
  }

  #alternatives(form: 'anyOf' | 'oneOf' | 'allOf', schema: Schema, place: Place): string {
    const schemas = listOf(schema[form], form, place);
    if (schemas.length === 0) throw refusal(place.path, `has an empty '${form}'`);
    if (form === 'allOf' && schemas.length > 1) throw refusal(place.path, `has 'allOf' of several schemas`);
    return this.#either(schemas.map((one, index) => this.value(one, inside(place, `${form}[${index}]`))));
  }

  #reference(reference: unknown, place: Place): string {
    if (typeof reference !== 'string') throw refusal(place.path, `has a '$ref' that is no text`);
    if (place.references.includes(reference))
      throw refusal(place.path, `contains itself through '${reference.slice(0, 80)}'`);
    const target = this.#resolve(reference);
    if (target === undefined)
      throw refusal(place.path, `refers to '${reference.slice(0, 80)}', which is not in the schema`);
    return this.value(target, { ...place, level: place.level + 1, references: [...place.references, reference] });
  }

  /** JSON pointers into the schema itself; nothing is fetched. */
  #resolve(reference: string): unknown {
    if (!reference.startsWith('#')) return undefined;
    let found: unknown = this.#root;
    for (const step of reference.slice(1).split('/').slice(1)) {
      const name = step.replaceAll('~1', '/').replaceAll('~0', '~');
      found =
        (isObject(found) || Array.isArray(found)) && Object.hasOwn(found, name) ? Reflect.get(found, name) : undefined;
    }
    return found;
  }

  #extent(schema: Schema, [minimum, maximum]: readonly [string, string], place: Place) {
    const count = (keyword: string, otherwise: number) => {
      const value = schema[keyword] ?? otherwise;
      if (typeof value !== 'number' || !(value >= 0)) throw refusal(place.path, `has a '${keyword}' that is no count`);
      return value;
    };
    const least = Math.ceil(count(minimum, 0));
    const most = Math.floor(count(maximum, Number.POSITIVE_INFINITY));
    if (least > MAX_SCHEMA_REPETITION) throw refusal(place.path, `has a '${minimum}' above ${MAX_SCHEMA_REPETITION}`);
    if (least > most) throw refusal(place.path, `has a '${minimum}' above its '${maximum}'`);
    const written = most === Number.POSITIVE_INFINITY ? most : Math.min(most, MAX_SCHEMA_REPETITION);
    this.#repetitions += Number.isFinite(written) ? written : least;
    if (this.#repetitions > MAX_SCHEMA_REPETITIONS)
      throw refusal('', `asks for more than ${MAX_SCHEMA_REPETITIONS} repetitions in all`);
    return { least, most: written };
  }

  #count(parts: number): void {
    this.#parts += parts;
    if (this.#parts > MAX_SCHEMA_PARTS) throw refusal('', `has more than ${MAX_SCHEMA_PARTS} parts`);
  }

  #either(options: readonly string[]): string {
    const all = [...new Set(options)];
    const [only] = all;
    if (only !== undefined && all.length === 1) return only;
    const choices = all.reduce((sum, option) => sum + (this.#choices.get(option) ?? 1), 0);
    return this.#choosing(choices, this.#rule(all.join(' | ')));
  }

  /** What several texts begin with is written once: an engine goes through all that may come at each token. */
  #literalChoice(texts: readonly string[]): string {
    const { expression, choices } = sharedBeginnings([...new Set(texts)]);
    return choices === 1 ? expression : this.#choosing(choices, this.#rule(expression));
  }

  #choosing(choices: number, expression: string): string {
    this.#choices.set(expression, Math.max(choices, this.#choices.get(expression) ?? 1));
    this.#mostChoices = Math.max(this.#mostChoices, choices);
    return expression;
  }

  /** Equal rules are one. */
  #rule(body: string): string {
    const known = this.#names.get(body);
    if (known !== undefined) return known;
    const name = `rule-${this.#names.size}`;
    this.#names.set(body, name);
    this.#rules.set(name, body);
    return name;
  }
}

/** Literals as a tree of their beginnings, and how many ways there are at most where it branches. */
function sharedBeginnings(texts: readonly string[]): { readonly expression: string; readonly choices: number } {
  const [first = '', ...others] = texts;
  if (others.length === 0) return { expression: literal(first), choices: 1 };
  const length = texts.reduce((common, text) => commonLength(first, text, common), first.length);
  const branches = new Map<string, string[]>();
  for (const text of texts) {
    const rest = text.slice(length);
    const [head = ''] = rest;
    const branch = branches.get(head);
    if (branch === undefined) branches.set(head, [rest]);
    else branch.push(rest);
  }
  const written = Array.from(branches.values(), sharedBeginnings);
  const expression = `(${written.map((branch) => branch.expression).join(' | ')})`;
  return {
    expression: length === 0 ? expression : `${literal(first.slice(0, length))} ${expression}`,
    choices: Math.max(branches.size, ...written.map((branch) => branch.choices)),
  };
}

/** In whole characters. */
function commonLength(one: string, other: string, most: number): number {
  let length = 0;
  while (length < most && one[length] === other[length]) length += 1;
  return /[\ud800-\udbff]/.test(one.charAt(length - 1)) ? length - 1 : length;
}

/** Something nested deeper than the stack has no text. */
function lengthOf(schema: Schema): number {
  try {
    return JSON.stringify(schema).length;
  } catch {
    throw refusal('', 'is nested too deep');
  }
}

function refusal(path: string, trouble: string): MeshError {
  const where = path === '' ? 'The JSON schema' : `'${path.slice(0, 200)}' of the JSON schema`;
  return new MeshError('invalid_request', `${where} ${trouble}. Change it, or ask for 'json_object' instead.`, {
    details: { param: 'response_format' },
  });
}

function inside(place: Place, step: string): Place {
  return { ...place, path: place.path === '' ? step : `${place.path}.${step}`, level: place.level + 1 };
}

function impliedTypes(schema: Schema): TypeName[] {
  const keyword = Object.keys(TYPE_OF_KEYWORD).find((name) => name in schema);
  const type = keyword === undefined ? undefined : TYPE_OF_KEYWORD[keyword];
  return type === undefined ? [] : [type];
}

/** Of a record's names zod says that they are texts. */
function saysNothing(keyword: string, value: unknown): boolean {
  return keyword === 'propertyNames' && isObject(value) && value.type === 'string' && Object.keys(value).length === 1;
}

function isObject(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function listOf(value: unknown, keyword: string, place: Place): readonly unknown[] {
  if (!Array.isArray(value)) throw refusal(place.path, `has a '${keyword}' that is no list`);
  return value;
}

function isOfType(value: unknown, type: unknown): boolean {
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'object') return isObject(value);
  if (type === 'integer') return Number.isInteger(value);
  return typeof value === type;
}
