/**
 * JSON Schema to a grammar of llama.cpp (GBNF), for native peers and tabs alike, so that JSON which one began can be ended
 * by the other. The grammar may let through less than the schema does; where it lets through more, because no grammar can
 * count what is the same or is not, `SchemaCheck` finds it in the complete answer.
 */
import { MAX_GRAMMAR_CHECKS } from '../../limits.ts';
import { SchemaCheck, type Violation } from './check.ts';
import { GrammarWriter } from './grammar-writer.ts';
import { Languages } from './languages.ts';
import { Rules } from './rules.ts';
import { type ReadSchema, readSchema, type Schema } from './schema-reader.ts';
import { refusal, SchemaTrouble } from './schema-trouble.ts';

export type { Violation } from './check.ts';
export { type ReadSchema, readSchema, whole } from './schema-reader.ts';
export { SchemaTrouble } from './schema-trouble.ts';

/** Any JSON object. */
export function anyObjectGrammar(): string {
  const rules = new Rules();
  return rules.print(rules.of(['object']));
}

/**
 * @param vocabularySize of the model, for engines that compare each token with each choice that there is at a place
 * @throws MeshError `invalid_request` that names what can't be followed.
 */
export function grammarOfSchema(schema: Schema, vocabularySize = 0): string {
  try {
    return grammarOf(readSchema(schema), vocabularySize);
  } catch (error) {
    if (error instanceof SchemaTrouble) throw refusal(error);
    throw error;
  }
}

/** @throws SchemaTrouble */
export function grammarOf(schema: ReadSchema, vocabularySize = 0): string {
  const writer = new GrammarWriter(schema);
  const root = writer.write(schema.schema);
  const choices = writer.rules.mostChoices();
  const most = Math.max(LEAST_CHOICES, Math.floor(MAX_GRAMMAR_CHECKS / vocabularySize));
  if (choices > most) {
    throw new SchemaTrouble('', `offers ${choices} choices at one place, of which this model follows ${most} at most`);
  }
  return writer.rules.print(root);
}

/** Whether a schema says something that its grammar may let pass, so that the complete answer is worth a look. */
export function leavesToCheck(schema: ReadSchema): boolean {
  const nodes: unknown[] = [schema.schema, schema.definitions];
  for (const node of nodes) {
    if (typeof node !== 'object' || node === null) continue;
    if (!Array.isArray(node) && Object.keys(node).some((keyword) => CHECKED_LATER.has(keyword))) return true;
    nodes.push(...Object.values(node));
  }
  return false;
}

/** No grammar compares items, counts what it has seen, or knows what else a value would be. */
const CHECKED_LATER: ReadonlySet<string> = new Set([
  'uniqueItems',
  'contains',
  'oneOf',
  'not',
  'if',
  'dependentRequired',
  'dependentSchemas',
  'unevaluatedProperties',
  'unevaluatedItems',
  'minProperties',
  'maxProperties',
  'multipleOf',
]);

/** How an answer breaks its schema; undefined: not at all, or in no way that a bounded look finds. */
export function violationOf(schema: ReadSchema, value: unknown): Violation | undefined {
  return new SchemaCheck(schema, new Languages()).violationOf(value);
}

/** What every model follows, whatever it costs: a form with some optional fields. */
const LEAST_CHOICES = 64;
