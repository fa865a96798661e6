/** What a string may be by its schemas, as a language: patterns, formats, lengths, and texts that it must not be. */
import { EVERY } from './code-points.ts';
import { patternOfFormat } from './formats.ts';
import type { Language, Languages } from './languages.ts';
import { type Pattern, PatternTrouble, parsePattern } from './pattern.ts';
import type { Schema } from './schema-reader.ts';
import { SchemaTrouble } from './schema-trouble.ts';

/** A pattern matches anywhere in a text, unless it is anchored. Undefined: it is none that a language can be told by. */
export function languageOfPattern(languages: Languages, source: string): Language | undefined {
  try {
    return found(languages, parsePattern(source));
  } catch (error) {
    if (error instanceof PatternTrouble) return undefined;
    throw error;
  }
}

/** Of all schemas together. @throws SchemaTrouble, TooLarge */
export function languageOfTexts(
  languages: Languages,
  schemas: readonly Schema[],
  path: string,
  formats: boolean,
): Language {
  return languages.every(...schemas.map((schema) => languageOfText(languages, schema, path, formats)));
}

/** Whether the schemas say anything of a string but its length. */
export function isFreeText(schemas: readonly Schema[]): boolean {
  return schemas.every(
    ({ pattern, format, not }) => pattern === undefined && patternOfFormat(format) === undefined && not === undefined,
  );
}

export function lengthsOf(schemas: readonly Schema[]): { readonly least: number; readonly most: number } {
  const numbers = (keyword: 'minLength' | 'maxLength') =>
    schemas.map((schema) => schema[keyword]).filter((value) => typeof value === 'number');
  return {
    least: Math.ceil(Math.max(0, ...numbers('minLength'))),
    most: Math.floor(Math.min(Number.POSITIVE_INFINITY, ...numbers('maxLength'))),
  };
}

function languageOfText(languages: Languages, schema: Schema, path: string, formats: boolean): Language {
  const parts: Language[] = [];
  if (typeof schema.pattern === 'string') parts.push(read(languages, schema.pattern, path));
  const format = formats ? patternOfFormat(schema.format) : undefined;
  if (format !== undefined) parts.push(read(languages, format, path));
  for (const text of excludedTexts(schema.not)) parts.push(languages.not(languages.text(text, languages.end)));
  return languages.every(...parts);
}

/** Other things that a text must not be are checked when it is complete. */
function excludedTexts(not: unknown): readonly string[] {
  if (typeof not !== 'object' || not === null) return [];
  const { const: value, enum: values } = not as Schema;
  const isAll = Object.keys(not).every((keyword) => keyword === 'const' || keyword === 'enum' || keyword === 'type');
  return isAll ? [value, ...(Array.isArray(values) ? values : [])].filter((one) => typeof one === 'string') : [];
}

function read(languages: Languages, source: string, path: string): Language {
  try {
    return found(languages, parsePattern(source));
  } catch (error) {
    if (error instanceof PatternTrouble) throw new SchemaTrouble(path, error.message);
    throw error;
  }
}

function found(languages: Languages, pattern: Pattern): Language {
  const behind = languages.times(EVERY, 1, Number.POSITIVE_INFINITY, languages.pattern(pattern, languages.all));
  return languages.some(languages.pattern(pattern, languages.all, true), behind);
}
