/** What is wrong with a schema, and where in it. */
import { MeshError } from '../../errors.ts';

/** Thrown where a schema is read; whoever knows the name of the field around it makes the sentence. */
export class SchemaTrouble extends Error {
  /** From the schema's root, as in `properties.a`. */
  readonly path: string;
  /** The rest of a sentence that the place begins, without its full stop. */
  readonly trouble: string;

  constructor(path: string, trouble: string) {
    super(trouble);
    this.path = path;
    this.trouble = trouble;
  }
}

/** A pattern took more than the bounds allow; a smaller question may still be answered. */
export class TooLarge extends Error {}

export function refusal({ path, trouble }: SchemaTrouble): MeshError {
  const where = path === '' ? 'The JSON schema' : `'${path.slice(0, 200)}' of the JSON schema`;
  return new MeshError('invalid_request', `${where} ${trouble}. Change it, or ask for 'json_object' instead.`, {
    details: { param: 'response_format' },
  });
}
