/**
 * A JSON schema of a request: read into one form, tried as a grammar before any peer is asked, so that what no engine can
 * follow is refused here by the name of its field, and held against the complete answer.
 */
import { MeshError } from '@tabmesh/shared';
import {
  grammarOf,
  type ReadSchema,
  readSchema,
  SchemaTrouble,
  violationOf,
  whole,
} from '@tabmesh/shared/json-grammar';
import { fieldError } from '../../http/request-body.ts';
import { MAX_JSON_LEVELS } from '../../limits/limits.ts';

type JsonSchema = Readonly<Record<string, unknown>>;

/** @throws MeshError `invalid_request` that names the field: the schema's own name, and where in it the trouble is */
export function enforcedSchema(schema: JsonSchema, field: string): Record<string, unknown> {
  const read = readField(schema, field);
  tryGrammar(read, field);
  return whole(read);
}

/**
 * @param namespace of its definitions, where they come to stand beside those of others
 * @throws MeshError `invalid_request` for a schema that is none
 */
export function readField(schema: JsonSchema, field: string, namespace = ''): ReadSchema {
  if (isDeeperThan(schema, MAX_JSON_LEVELS)) {
    throw fieldError(field, `is nested deeper than ${MAX_JSON_LEVELS} levels. Make it flatter.`);
  }
  return refusing(
    () => readSchema(schema, namespace),
    ({ path, trouble }) => fieldError(pathIn(field, path), `${trouble}. Correct it.`),
  );
}

/** @throws MeshError `invalid_request` for a schema that no grammar holds */
export function tryGrammar(schema: ReadSchema, field: string): void {
  refusing(
    () => grammarOf(schema),
    ({ path, trouble }) => {
      const where = path === '' ? 'it' : `'${path.slice(0, 200)}' in it`;
      return fieldError(field, `asks for what no answer can be held to: ${where} ${trouble}. Change that.`);
    },
  );
}

/** The error of an answer that breaks its schema; undefined: it follows. */
export function brokenSchema(schema: ReadSchema, text: string, field: string): MeshError | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return broken(field, 'is no JSON');
  }
  const violation = violationOf(schema, value);
  if (violation === undefined) return undefined;
  const { at, keyword } = violation;
  return broken(field, `breaks '${keyword}' of its schema${at === '' ? '' : ` at '${at.slice(0, 200)}'`}`);
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

function broken(param: string, trouble: string): MeshError {
  return new MeshError('upstream_failed', `The answer ${trouble}. Ask again, or ask for less in '${param}'.`, {
    details: { param },
  });
}

function pathIn(field: string, path: string): string {
  return path === '' ? field : `${field}.${path}`;
}

function refusing<Result>(work: () => Result, refusal: (trouble: SchemaTrouble) => MeshError): Result {
  try {
    return work();
  } catch (error) {
    if (error instanceof SchemaTrouble) throw refusal(error);
    throw error;
  }
}
