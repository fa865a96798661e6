import { describe, expect, it } from 'vitest';
import { createDrafts } from '../src/conversations/drafts.ts';

describe('drafts', () => {
  it('UI44: are kept per conversation, and leave with it', () => {
    const store = new Map<string, string>();
    const drafts = () =>
      createDrafts({
        getItem: (key) => store.get(key) ?? null,
        setItem: (key, value) => void store.set(key, value),
        removeItem: (key) => void store.delete(key),
      });
    drafts().write(undefined, 'half a thou');
    drafts().write('abc', 'another');
    expect(drafts().read(undefined)).toBe('half a thou');
    drafts().write('abc', '');
    expect(drafts().read('abc')).toBe('');
    expect(store.size).toBe(1);
  });

  it('UI44: last as long as the page where nothing can be stored', () => {
    const drafts = createDrafts(undefined);
    drafts.write('abc', 'text');
    expect(drafts.read('abc')).toBe('text');
  });
});
