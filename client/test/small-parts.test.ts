import { describe, expect, it } from 'vitest';
import { matchCommands } from '../src/state/commands.ts';
import { createDrafts } from '../src/state/drafts.ts';
import { formatBytes, formatCount, formatMs, formatRate, plural } from '../src/state/format.ts';
import { ownModel } from '../src/state/own-model.ts';
import { chatPath, parseRoute } from '../src/state/route.ts';

describe('figures', () => {
  it('UI41: have one decimal below ten and none above, with their unit', () => {
    expect([0.4, 4.93, 84.3, 999.6, 1_234, 59_000, 61_000].map(formatMs)).toEqual([
      ...['<1 ms', '4.9 ms', '84 ms', '1 s', '1.2 s', '59 s', '1 min'],
    ]);
    expect([0, 5.27, 41.3, 1_432, 12_400, 3_100_000].map(formatCount)).toEqual([
      '0',
      '5.3',
      '41',
      '1.4k',
      '12k',
      '3.1M',
    ]);
    expect(formatRate(41.3)).toBe('41 tok/s');
    expect([0, 812, 5_620_864, 412_000_000, 2_020_000_000].map(formatBytes)).toEqual([
      ...['0 KB', '1 KB', '5.6 MB', '412 MB', '2 GB'],
    ]);
    expect([plural(1, 'peer'), plural(0, 'peer'), plural(5, 'peer')]).toEqual(['1 peer', '0 peers', '5 peers']);
  });
});

describe('addresses', () => {
  it('UI42: name a page or none', () => {
    expect(parseRoute('/')).toEqual({ page: 'chat', conversationId: undefined });
    expect(parseRoute('/chat/0af3')).toEqual({ page: 'chat', conversationId: '0af3' });
    expect(parseRoute('/contribute/')).toEqual({ page: 'contribute' });
    expect(parseRoute('/settings')).toEqual({ page: 'settings' });
    expect(parseRoute('/chat/../etc')).toEqual({ page: 'not-found' });
    expect(parseRoute(chatPath('0af3'))).toEqual({ page: 'chat', conversationId: '0af3' });
    expect(chatPath(undefined)).toBe('/');
  });
});

describe('the palette', () => {
  const commands = ['New chat', 'Settings', 'mesh-tiny', 'tiny new thing'].map((label) => ({
    id: label,
    label,
    kind: label === 'mesh-tiny' ? 'Model' : '',
    run() {},
  }));
  const labels = (query: string) => matchCommands(commands, query).map(({ label }) => label);

  it('UI43: matches every typed word, best beginnings first', () => {
    expect(labels('')).toHaveLength(4);
    expect(labels('tiny')).toEqual(['tiny new thing', 'mesh-tiny']);
    expect(labels('model MESH')).toEqual(['mesh-tiny']);
    expect(labels('fox')).toEqual([]);
  });
});

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

describe('a model of the own', () => {
  it('UI45: is served under the name of its file', () => {
    const url = 'https://example.org/Qwen/Qwen3-0.6B-GGUF/resolve/main/Qwen3-0.6B-Q8_0.gguf?download=true';
    expect(ownModel({ kind: 'gguf-url', url })).toEqual({
      label: 'Qwen3-0.6B-Q8_0',
      source: { kind: 'gguf-url', id: 'Qwen3-0.6B-Q8_0', url },
    });
  });

  it("UI45: a record is served under the name of its model's folder", () => {
    const modelUrl = 'https://example.org/mlc-ai/Qwen3-0.6B-q4f16_1-MLC/resolve/main/';
    const modelLibUrl = 'https://example.org/lib.wasm';
    expect(ownModel({ kind: 'mlc-record', modelUrl, modelLibUrl })).toMatchObject({ label: 'Qwen3-0.6B-q4f16_1-MLC' });
  });

  it.each([
    [{ kind: 'gguf-url', url: '' } as const, '.gguf'],
    [{ kind: 'gguf-url', url: 'file:///etc/passwd' } as const, '.gguf'],
    [{ kind: 'gguf-file', file: undefined } as const, 'Choose'],
    [{ kind: 'mlc-record', modelUrl: 'https://example.org/M/', modelLibUrl: 'x' } as const, '.wasm'],
  ])('UI46: says what is missing', (draft, part) => {
    expect(ownModel(draft)).toEqual({ missing: expect.stringContaining(part) });
  });
});
