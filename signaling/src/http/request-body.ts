/** What the bodies of the endpoints have in common: a JSON object, held to a schema, refused by the name of a field. */
import { MeshError } from '@tabmesh/shared';
import type { z } from 'zod';
import { ECHOED_FIELD_CHARS } from '../limits/limits.ts';

/** A field that would change the answer, but not here. */
export interface RefusedField {
  /** Values that ask for nothing are let pass; null always does. */
  readonly asksForNothing: (value: unknown) => boolean;
  /** What to do instead, as a sentence. */
  readonly instead: string;
}

/** @throws MeshError `invalid_request` that names the field */
export function readBody<Schema extends z.ZodType>(
  payload: unknown,
  schema: Schema,
  refused: Readonly<Record<string, RefusedField>> = {},
): z.infer<Schema> {
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) {
    throw new MeshError(
      'invalid_request',
      'The body must be a JSON object. The documentation of the API lists its fields.',
    );
  }
  for (const [field, value] of Object.entries(payload)) {
    const rule = Object.hasOwn(refused, field) ? refused[field] : undefined;
    if (rule !== undefined && value !== null && !rule.asksForNothing(value)) {
      throw unsupportedField(field, rule.instead);
    }
  }
  const parsed = schema.safeParse(payload);
  if (!parsed.success) throw invalidField(parsed.error.issues[0]);
  return parsed.data;
}

/** For a field that is well written, but asks for what is not built. `instead` is a sentence. */
export function unsupportedField(field: string, instead: string): MeshError {
  return fieldError(field, `asks for what this mesh can't do. ${instead}`);
}

/** @param trouble what is wrong with the field, and what to do, as the rest of a sentence that it begins */
export function fieldError(field: string, trouble: string): MeshError {
  const param = field.slice(0, ECHOED_FIELD_CHARS);
  return new MeshError('invalid_request', `The field '${param}' ${trouble}`, { details: { param } });
}

function invalidField(issue: z.core.$ZodIssue | undefined): MeshError {
  return fieldError(
    pathOf(issue?.path ?? []),
    `is wrong: ${issue?.message ?? 'unknown'}. Correct it and send the request again.`,
  );
}

/** `messages[0].content`, as OpenAI writes it. */
function pathOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? String(key) : `${text}.${String(key)}`;
  }, '');
}
