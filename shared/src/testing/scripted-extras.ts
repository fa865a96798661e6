/** What the scripted engine does for each feature, as plainly as the contract allows: so that APIs can be tested with it. */
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { MeshError } from '../errors.ts';
import type { GenerationRequest } from '../ports/engine.ts';
import type { ResponseFormat, TokenLogprob } from '../protocol/messages.ts';

/** The answer's tokens with biases and penalties. `vocabulary`: a token's id is its place in it. */
export function steeredWords(
  words: readonly string[],
  { logitBias = {}, presencePenalty = 0, frequencyPenalty = 0 }: GenerationRequest,
  vocabulary: readonly string[],
): string[] {
  const forced = vocabulary.find((_, id) => logitBias[id] === 100);
  const allowed = vocabulary.filter((_, id) => logitBias[id] !== -100);
  const penalty = presencePenalty + frequencyPenalty;
  const said = new Set<string>();
  return words.map((word, index) => {
    if (forced !== undefined) return forced;
    const free = !vocabulary.includes(word) || allowed.includes(word) ? word : (allowed[0] ?? word);
    if (penalty < 0) return words[0] ?? free;
    const fresh = penalty > 0 && said.has(free) ? `${free}${index}` : free;
    said.add(fresh);
    return fresh;
  });
}

/**
 * The tokens of a value that follows the schema.
 * @throws MeshError `invalid_request`
 */
export function jsonWords(format: ResponseFormat): string[] {
  const value = format.type === 'json_object' ? { mesh: true } : sampleOf(format.schema, 0);
  return JSON.stringify(value).match(/"[^"]*"|[^"]/g) ?? [];
}

/** The likeliest tokens are the token itself and made-up others. */
export function scriptedLogprob(token: string, topCount: number): TokenLogprob {
  return {
    token,
    logprob: Math.log(0.5),
    top: Array.from({ length: topCount }, (_, rank) => ({
      token: rank === 0 ? token : `${token}?${rank}`,
      logprob: Math.log(0.5 ** (rank + 1)),
    })),
  };
}

/** Equal texts have equal vectors; likeness means nothing. */
export function scriptedVector(text: string): Float32Array {
  const vector = Float32Array.from(sha256(utf8ToBytes(text)).subarray(0, 8), (byte) => byte - 127.5);
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

const MOST_LEVELS = 10;

function sampleOf(schema: unknown, level: number): unknown {
  if (!isObject(schema) || level > MOST_LEVELS) throw refusal();
  if (Array.isArray(schema.enum) && schema.enum.length > 0 && schema.enum.length < 1000) return schema.enum[0];
  if ('const' in schema) return schema.const;
  switch (schema.type) {
    case 'object': {
      const properties = Object.entries(isObject(schema.properties) ? schema.properties : {});
      return Object.fromEntries(properties.map(([name, described]) => [name, sampleOf(described, level + 1)]));
    }
    case 'array': {
      const { minItems = 1 } = schema;
      if (typeof minItems !== 'number' || minItems > 100) throw refusal();
      return Array.from({ length: minItems }, () => sampleOf(schema.items ?? { type: 'string' }, level + 1));
    }
    case 'string':
      if ('pattern' in schema) throw refusal();
      return 'mesh';
    case 'number':
    case 'integer':
      return typeof schema.minimum === 'number' ? schema.minimum : 1;
    case 'boolean':
      return true;
    case 'null':
      return null;
    default:
      throw refusal();
  }
}

function refusal(): MeshError {
  return new MeshError('invalid_request', "The scripted engine can't follow this JSON schema. Make it simpler.", {
    details: { param: 'response_format' },
  });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
