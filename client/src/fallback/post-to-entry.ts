/**
 * The way to the entry's `/api/chat`, which asks a page to show that it is one of the entry's own: by a token that the entry
 * gives its pages and that is soon over. One is fetched when a question needs it, and once more when it is refused: the
 * entry was started again, or this device slept.
 */
import type { Clock } from '@tabmesh/shared';
import { PAGE_TOKEN_MARGIN_MS } from '../limits.ts';

export interface PostToEntryOptions {
  readonly fetch: typeof fetch;
  readonly clock: Clock;
}

/** Posts a question. Rejects as `fetch` does. */
export type PostToEntry = (body: object, signal: AbortSignal) => Promise<Response>;

export function createPostToEntry({ fetch, clock }: PostToEntryOptions): PostToEntry {
  let kept: PageToken | undefined;

  async function tokenOf(signal: AbortSignal): Promise<PageToken | undefined> {
    const response = await fetch('/api/page-token', { ...OWN, signal });
    const reply: unknown = response.ok ? await response.json().catch(() => undefined) : undefined;
    const { token, expiresInMs } = (typeof reply === 'object' && reply !== null ? reply : {}) as Partial<TokenReply>;
    if (typeof token !== 'string' || typeof expiresInMs !== 'number') return undefined;
    return { token, staleAtMs: clock.monotonicMs() + expiresInMs - PAGE_TOKEN_MARGIN_MS };
  }

  return async (body, signal) => {
    const ask = (token: string | undefined) =>
      fetch('/api/chat', {
        ...OWN,
        headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { 'x-tabmesh-page': token }) },
        body: JSON.stringify(body),
        signal,
      });
    if (kept === undefined || kept.staleAtMs <= clock.monotonicMs()) kept = await tokenOf(signal);
    const response = await ask(kept?.token);
    if (response.status !== 401) return response;
    await response.body?.cancel();
    kept = await tokenOf(signal);
    return ask(kept?.token);
  };
}

interface PageToken {
  readonly token: string;
  readonly staleAtMs: number;
}

interface TokenReply {
  readonly token: unknown;
  readonly expiresInMs: unknown;
}

const OWN: RequestInit = {
  method: 'POST',
  // Another address has no business with the question.
  redirect: 'error',
  // The page's own policy would hide from the entry whose page asks.
  referrerPolicy: 'same-origin',
};
