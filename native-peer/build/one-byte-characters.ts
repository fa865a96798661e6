import type { Plugin } from 'vite';

/**
 * Node keeps the text of every program in memory, with two bytes for each character where one of them needs more than one:
 * here 3 MB for a few boxes and arrows in messages. Written as escapes they say the same.
 */
export function oneByteCharacters(): Plugin {
  return {
    name: 'tabmesh-one-byte-characters',
    generateBundle(_options, bundle) {
      for (const file of Object.values(bundle)) {
        // Lines stay where they are, so the source map holds.
        if (file.type === 'chunk') file.code = file.code.replace(/[^\0-\xff]/g, escaped);
      }
    },
  };
}

function escaped(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
