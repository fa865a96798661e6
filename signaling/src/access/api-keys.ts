/**
 * The API keys of an entry. Only their digests stay in memory, made with a secret of this process, so that neither a
 * dump of it nor the time that a comparison takes tells a key.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { MeshError } from '@tabmesh/shared';
import { MIN_API_KEY_CHARS } from '../limits/limits.ts';

export interface KeyRing {
  /** Whose key it is; undefined for one that is not known. */
  nameOf(key: string): string | undefined;
}

/**
 * `alice:key,bob:key,…`; undefined when there is none.
 * @throws MeshError `invalid_request`, without quoting a key
 */
export function readKeys(text: string): KeyRing | undefined {
  const pairs = text.split(',').filter((part) => part.trim() !== '');
  if (pairs.length === 0) return undefined;
  const secret = randomBytes(32);
  const digestOf = (key: string) => createHmac('sha256', secret).update(key).digest();
  const digests = new Map<string, Buffer>();
  for (const [index, pair] of pairs.entries()) {
    const { name, key } = readPair(pair, index + 1);
    const digest = digestOf(key);
    if (digests.has(name)) throw wrong(`names '${name}' twice. Give each key a name of its own.`);
    if ([...digests.values()].some((other) => other.equals(digest))) {
      throw wrong(`gives '${name}' the key of another name. Give each name a key of its own.`);
    }
    digests.set(name, digest);
  }
  return {
    nameOf(key) {
      const asked = digestOf(key);
      let found: string | undefined;
      // To the end, whichever it is.
      for (const [name, digest] of digests) if (timingSafeEqual(digest, asked)) found = name;
      return found;
    },
  };
}

function readPair(pair: string, position: number): { readonly name: string; readonly key: string } {
  const at = pair.indexOf(':');
  const name = pair.slice(0, Math.max(at, 0)).trim();
  const key = pair.slice(at + 1).trim();
  if (!/^[\w.-]{1,64}$/.test(name)) {
    throw wrong(
      `has no name in front of its key number ${position}. Give pairs such as alice:KEY with commas between.`,
    );
  }
  if (!/^[\x21-\x7e]+$/.test(key) || key.length < MIN_API_KEY_CHARS) {
    throw wrong(
      `has a key for '${name}' that is too short or has characters that a header can't carry. ` +
        `Take at least ${MIN_API_KEY_CHARS} letters and digits, for example from 'openssl rand -hex 24'.`,
    );
  }
  return { name, key };
}

function wrong(what: string): MeshError {
  return new MeshError('invalid_request', `TABMESH_API_KEYS ${what}`);
}
