/** What the bodies of the OpenAI endpoints have in common: a JSON object, held to a schema, refused by the name of a field. */
import { MeshError } from '@tabmesh/shared';
import type { z } from 'zod';
import { invalidField } from '../openai/chat-request.ts';

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
      'The body must be a JSON object. The documentation of OpenAI lists its fields.',
    );
  }
  for (const [field, value] of Object.entries(payload)) {
    const rule = Object.hasOwn(refused, field) ? refused[field] : undefined;
    if (rule !== undefined && value !== null && !rule.asksForNothing(value)) throw refusal(field, rule.instead);
  }
  const parsed = schema.safeParse(payload);
  if (!parsed.success) throw invalidField(parsed.error.issues[0]);
  return parsed.data;
}

export function refusal(field: string, instead: string): MeshError {
  return new MeshError('invalid_request', `The field '${field}' asks for what this mesh can't do. ${instead}`, {
    details: { param: field },
  });
}
