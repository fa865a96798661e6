/**
 * What an own page shows in place of an API key: a token that is bound to the page's origin and soon over. It is signed with
 * a secret of this process, so that the entry need not remember those that it gave out; after a restart pages fetch new ones.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '@tabmesh/shared';
import { MAX_KNOWN_PAGE_TOKENS, PAGE_TOKEN_LIFE_MS } from '../limits/limits.ts';

export interface PageTokens {
  /** For a page of this origin, for `PAGE_TOKEN_LIFE_MS`. */
  issue(origin: string): string;
  isGood(token: string, origin: string): boolean;
}

export function createPageTokens(clock: Clock): PageTokens {
  const secret = randomBytes(32);
  /** Until when those that were checked hold, so that a page's next question costs no signature. */
  const known = new Map<string, number>();

  const signatureOf = (expiresAt: string, origin: string) =>
    createHmac('sha256', secret).update(`${expiresAt} ${origin}`).digest();

  /** The moment at which it is over; undefined for what this process did not sign. */
  const checked = (token: string, origin: string): number | undefined => {
    const [, expiresAt = '', signature = ''] = /^(\d{1,15})\.([\w-]{43})$/.exec(token) ?? [];
    if (expiresAt === '') return undefined;
    const isSigned = timingSafeEqual(Buffer.from(signature, 'base64url'), signatureOf(expiresAt, origin));
    return isSigned ? Number(expiresAt) : undefined;
  };

  return {
    issue(origin) {
      const expiresAt = String(Math.ceil(clock.monotonicMs() + PAGE_TOKEN_LIFE_MS));
      return `${expiresAt}.${signatureOf(expiresAt, origin).toString('base64url')}`;
    },
    isGood(token, origin) {
      const key = `${token} ${origin}`;
      const expiresAtMs = known.get(key) ?? checked(token, origin);
      if (expiresAtMs === undefined || expiresAtMs <= clock.monotonicMs()) {
        known.delete(key);
        return false;
      }
      if (known.size >= MAX_KNOWN_PAGE_TOKENS) known.clear();
      known.set(key, expiresAtMs);
      return true;
    },
  };
}
