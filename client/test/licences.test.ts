/** The file of licences, from the modules that a bundler would name. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Plugin } from 'vite';
import { describe, expect, it } from 'vitest';
import { licences } from '../build/licences.ts';

const modules = resolve(import.meta.dirname, '../../node_modules');

/** What the plugin does with a bundle of these modules; the text that it writes, if any. */
function bundle(plugin: Plugin, moduleIds: readonly string[]): string | undefined {
  let written: string | undefined;
  const context = {
    emitFile({ fileName, source }: { fileName: string; source: string }) {
      expect(fileName).toBe('licences.txt');
      written = source;
    },
  };
  const generate = plugin.generateBundle as unknown as (options: unknown, bundle: unknown) => void;
  generate.call(context as never, {}, { 'page.js': { type: 'chunk', moduleIds }, 'page.css': { type: 'asset' } });
  return written;
}

describe('the licences of the web app', () => {
  it('SU12: name each package once, those of workers as well, with its text, and our own first', () => {
    const collector = licences();
    expect(bundle(collector.collect(), [`${modules}/@mlc-ai/web-llm/lib/index.js`])).toBeUndefined();
    const svelte = [`${modules}/svelte/src/index.js`, `\0${modules}/svelte/src/internal/index.js`];
    const text = bundle(collector.write(), [resolve(modules, '../client/src/main.ts'), ...svelte]) ?? '';
    const titles = [...text.matchAll(/^(\S+) \d[\d.]* \(/gm)].map(([, name]) => name);
    expect(titles).toEqual(['@mlc-ai/web-llm', 'loglevel', 'svelte']);
    expect(text.startsWith('TabMesh (MIT)\n')).toBe(true);
    for (const name of ['svelte', '@mlc-ai/web-llm']) {
      const file = name === 'svelte' ? 'LICENSE.md' : 'LICENSE';
      expect(text).toContain(readFileSync(`${modules}/${name}/${file}`, 'utf8').trim());
    }
  });

  it('SU12: name what a package was bundled from before it was published, and what is compiled into it', () => {
    const ids = [`${modules}/simple-peer/simplepeer.min.js`, `${modules}/@wllama/wllama/esm/index.js`];
    const text = bundle(licences().write(), ids) ?? '';
    const titles = [...text.matchAll(/^(\S+) \d[\d.]* \(/gm)].map(([, name]) => name);
    expect(titles).toEqual(expect.arrayContaining(['simple-peer', 'buffer', 'ieee754', 'readable-stream', 'ms']));
    expect(text).toContain('Contains llama.cpp and ggml');
    expect(text).toContain('Published without a text, under MIT');
  });
});
