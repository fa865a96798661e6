/** What other programs say of a value and a schema: ajv, in the draft that the schema is of. */
import { Ajv } from 'ajv';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

type Schema = Readonly<Record<string, unknown>>;

/**
 * @param formats whether texts are held against them
 * @returns undefined: ajv does not know its words (OpenAPI's and draft 4's), or is stricter with the escapes of a pattern.
 */
export function validatorOf(schema: Schema, formats = true): ((value: unknown) => boolean | undefined) | undefined {
  const text = JSON.stringify(schema);
  const is2020 = /2020-12|prefixItems|"dependent|unevaluated/.test(text);
  const Validator = is2020 ? Ajv2020 : text.includes('2019-09') ? Ajv2019 : Ajv;
  const ajv = new Validator({
    strict: false,
    logger: false,
    validateSchema: false,
    multipleOfPrecision: 8,
    validateFormats: formats,
  });
  addFormats.default(ajv);
  try {
    const validate = ajv.compile(schema);
    return (value) => {
      try {
        return validate(value) === true;
      } catch {
        // What is only the opposite of itself has no answer.
        return undefined;
      }
    };
  } catch {
    return undefined;
  }
}
