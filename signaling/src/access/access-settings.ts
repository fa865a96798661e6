/**
 * What the operator says about who may call the API, read from the environment's texts: keys, requests a minute, and the
 * pages of other sites that may. Without them everyone who reaches the entry may, and no page of another site.
 */
import { MeshError } from '@tabmesh/shared';
import { DEFAULT_REQUESTS_PER_MINUTE, MAX_REQUESTS_PER_MINUTE } from '../limits/limits.ts';
import { type KeyRing, readKeys } from './api-keys.ts';

export interface AccessTexts {
  /** `alice:key,bob:key,…` */
  readonly keys?: string | undefined;
  readonly limit?: string | undefined;
  /** `https://app.example,…` or `*`. */
  readonly origins?: string | undefined;
}

export interface AccessSettings {
  /** Undefined: no key is asked for. */
  readonly keys: KeyRing | undefined;
  /** Of each key. */
  readonly requestsPerMinute: number;
  readonly origins: readonly string[] | '*';
}

/** @throws MeshError `invalid_request` that names the variable that is wrong; a key is never quoted */
export function accessSettings({ keys = '', limit = '', origins = '' }: AccessTexts): AccessSettings {
  return { keys: readKeys(keys), requestsPerMinute: readLimit(limit), origins: readOrigins(origins) };
}

function readLimit(text: string): number {
  if (text === '') return DEFAULT_REQUESTS_PER_MINUTE;
  const limit = Number(text);
  if (/^\d+$/.test(text) && limit >= 1 && limit <= MAX_REQUESTS_PER_MINUTE) return limit;
  throw new MeshError(
    'invalid_request',
    `TABMESH_API_KEY_LIMIT is '${text}'. Give the requests a minute of each key, from 1 to ${MAX_REQUESTS_PER_MINUTE}.`,
  );
}

function readOrigins(text: string): readonly string[] | '*' {
  // A browser's origin has no slash at its end, but an address that is copied from it has.
  const origins = text.split(',').map((part) => part.trim().replace(/\/$/, ''));
  const given = origins.filter((origin) => origin !== '');
  if (given.length === 1 && given[0] === '*') return '*';
  // Also those of desktop shells and extensions, such as tauri://localhost.
  const wrong = given.find((origin) => !/^[a-z][a-z0-9+.-]*:\/\/[^\s/*?#@]+$/i.test(origin));
  if (wrong === undefined) return given.map((origin) => origin.toLowerCase());
  throw new MeshError(
    'invalid_request',
    `TABMESH_CORS_ORIGINS has '${wrong}'. Give origins such as https://app.example with commas between, or * alone.`,
  );
}
