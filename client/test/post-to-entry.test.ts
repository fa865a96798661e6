import { ManualClock } from '@tabmesh/shared/testing';
import { describe, expect, it } from 'vitest';
import { createPostToEntry } from '../src/fallback/post-to-entry.ts';

interface Asked {
  readonly path: string;
  readonly token: string | null;
  readonly referrerPolicy: string | undefined;
  readonly redirect: string | undefined;
}

/** An entry that gives out tokens and takes the newest only. */
function start(script: { tokens?: (string | number)[]; takes?: (token: string | null) => boolean } = {}) {
  const clock = new ManualClock();
  const asked: Asked[] = [];
  const tokens = script.tokens ?? ['first', 'second', 'third'];
  let newest: string | null = null;
  const takes = script.takes ?? ((token) => token === newest);
  const signal = new AbortController().signal;
  const post = createPostToEntry({
    clock,
    async fetch(path, init) {
      const token = new Headers(init?.headers).get('x-tabmesh-page');
      asked.push({ path: String(path), token, referrerPolicy: init?.referrerPolicy, redirect: init?.redirect });
      expect(init?.signal).toBe(signal);
      if (path === '/api/chat') return new Response('', { status: takes(token) ? 200 : 401 });
      const next = tokens.shift() ?? 404;
      if (typeof next === 'number') return new Response('{"error":{}}', { status: next });
      newest = next;
      return Response.json({ token: next, expiresInMs: 300_000 });
    },
  });
  const paths = () => asked.map(({ path, token }) => `${path} ${token ?? ''}`.trim());
  return { clock, asked, paths, ask: async () => (await post({ messages: [] }, signal)).status };
}

describe('a question to the entry', () => {
  it('OP13: shows the token of this page, fetched once for the questions of five minutes', async () => {
    const { ask, paths, clock, asked } = start();
    expect([await ask(), await ask()]).toEqual([200, 200]);
    await clock.advance(289_000);
    expect(await ask()).toBe(200);
    await clock.advance(1_000);
    expect(await ask()).toBe(200);
    expect(paths()).toEqual([
      '/api/page-token',
      ...Array<string>(3).fill('/api/chat first'),
      '/api/page-token',
      '/api/chat second',
    ]);
    for (const { referrerPolicy, redirect } of asked)
      expect([referrerPolicy, redirect]).toEqual(['same-origin', 'error']);
  });

  it('OP13: fetches another when it is refused, once: the entry was started again', async () => {
    const { ask, paths } = start({ takes: (token) => token === 'second' });
    expect(await ask()).toBe(200);
    expect(paths()).toEqual(['/api/page-token', '/api/chat first', '/api/page-token', '/api/chat second']);
    const refused = start({ takes: () => false });
    expect(await refused.ask()).toBe(401);
    expect(refused.paths()).toHaveLength(4);
  });

  it('OP13: goes without a token where the entry gives none, and hears from it why', async () => {
    const { ask, paths } = start({ tokens: [403, 404], takes: () => true });
    expect([await ask(), await ask()]).toEqual([200, 200]);
    expect(paths()).toEqual(['/api/page-token', '/api/chat', '/api/page-token', '/api/chat']);
  });
});
