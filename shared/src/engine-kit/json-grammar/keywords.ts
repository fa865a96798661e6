/** Which words of JSON Schema say what a value is. Those that stand in no list here are notes, as the standard has it. */

/** What they name can't be said in a grammar of bearable size. */
export const UNKNOWN_KEYWORDS = [
  'pattern',
  'patternProperties',
  'propertyNames',
  'minProperties',
  'maxProperties',
  'not',
  'if',
  'dependentRequired',
  'dependentSchemas',
  'dependencies',
  'unevaluatedProperties',
  'unevaluatedItems',
  'contains',
  'multipleOf',
  '$dynamicRef',
  '$recursiveRef',
] as const;

/** Of these a schema has one, and nothing else that says what the value is. */
export const FORMS = ['$ref', 'anyOf', 'oneOf', 'allOf', 'const', 'enum'] as const;
export type TypeName = 'object' | 'array' | 'string' | 'number' | 'integer' | 'boolean' | 'null';

/** A keyword tells the type where the schema itself doesn't. */
export const TYPE_OF_KEYWORD: Readonly<Record<string, TypeName>> = {
  properties: 'object',
  required: 'object',
  additionalProperties: 'object',
  items: 'array',
  prefixItems: 'array',
  minItems: 'array',
  maxItems: 'array',
  minLength: 'string',
  maxLength: 'string',
  format: 'string',
  minimum: 'number',
  maximum: 'number',
  exclusiveMinimum: 'number',
  exclusiveMaximum: 'number',
};
