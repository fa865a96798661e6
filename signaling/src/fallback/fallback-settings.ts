/**
 * What the operator says about a fallback provider, read from the environment's texts: an outside, OpenAI-compatible
 * endpoint, and which model of the mesh is which of its own. Without all three settings no prompt ever leaves the mesh.
 */
import { MeshError, ModelId } from '@tabmesh/shared';
import { z } from 'zod';
import { DEFAULT_FALLBACK_BUDGET, MAX_PROVIDER_MODEL_CHARS } from '../limits/limits.ts';

export interface FallbackSettings {
  /** Of `…/chat/completions`. */
  readonly endpoint: URL;
  readonly key: string;
  /** Model of the mesh → model of the provider. */
  readonly models: ReadonlyMap<ModelId, string>;
  /** Answers per address and hour. */
  readonly budget: number;
}

export interface FallbackTexts {
  readonly url?: string | undefined;
  readonly key?: string | undefined;
  /** `Qwen3-8B=qwen/qwen3-8b,…` or the same as a JSON object. */
  readonly models?: string | undefined;
  readonly budget?: number | undefined;
}

/**
 * Undefined when nothing is set.
 * @throws MeshError `invalid_request` that names the setting, when one is missing or wrong; the key is never quoted.
 */
export function fallbackSettings(texts: FallbackTexts): FallbackSettings | undefined {
  const { url = '', key = '', models = '', budget = DEFAULT_FALLBACK_BUDGET } = texts;
  if (url === '' && key === '' && models === '') return undefined;
  const missing = [
    ...(url === '' ? ['TABMESH_FALLBACK_URL'] : []),
    ...(key === '' ? ['TABMESH_FALLBACK_KEY'] : []),
    ...(models === '' ? ['TABMESH_FALLBACK_MODELS'] : []),
  ];
  if (missing.length > 0) {
    throw wrong(`A fallback provider needs ${missing.join(' and ')} too. Set what is missing, or unset the others.`);
  }
  // What a header can't carry would otherwise fail later, at the first prompt.
  if (!/^[\x21-\x7e]+$/.test(key)) throw wrong('TABMESH_FALLBACK_KEY holds characters that no key has. Copy it again.');
  return { endpoint: endpointOf(url), key, models: mappingOf(models), budget };
}

function endpointOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw wrong('TABMESH_FALLBACK_URL is no address of an API. Give one such as https://api.openai.com/v1');
  }
  const path = url.pathname.replace(/\/+$/, '');
  url.pathname = path.endsWith('/chat/completions') ? path : `${path}/chat/completions`;
  return url;
}

const Mapping = z.record(ModelId, z.string().min(1).max(MAX_PROVIDER_MODEL_CHARS));

function mappingOf(text: string): ReadonlyMap<ModelId, string> {
  const parsed = Mapping.safeParse(text.trim().startsWith('{') ? readJson(text) : readPairs(text));
  const pairs = Object.entries(parsed.data ?? {});
  if (pairs.length === 0) {
    throw wrong(
      'TABMESH_FALLBACK_MODELS names no models. Give pairs such as Qwen3-8B=qwen/qwen3-8b, with commas between.',
    );
  }
  return new Map(pairs.map(([model, theirs]) => [ModelId.parse(model), theirs]));
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A pair without `=` gets an empty name, which the schema refuses. */
function readPairs(text: string): Record<string, string> {
  const pairs = text.split(',').filter((pair) => pair.trim() !== '');
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      return at === -1 ? [pair.trim(), ''] : [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
    }),
  );
}

function wrong(sentence: string): MeshError {
  return new MeshError('invalid_request', sentence);
}
