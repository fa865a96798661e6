import type { Plugin } from 'vite';

/**
 * A library that looks for files beside itself is compiled in all the same: where it asks for its own address it gets the one
 * that it has where npm put it. `name` is one whose files do nothing by being loaded, so what is not used can stay out.
 */
export function libraryInPlace(name: string): Plugin {
  const within = new RegExp(`[\\\\/]node_modules[\\\\/]${name}[\\\\/]dist[\\\\/](.*\\.js)$`);
  return {
    name: 'tabmesh-library-in-place',
    transform(code, id) {
      const file = within.exec(id)?.[1]?.replaceAll('\\', '/');
      if (file === undefined) return undefined;
      const asks = code.includes('import.meta.url');
      return {
        code: asks ? addressOf(name, file) + code.replaceAll('import.meta.url', 'ownAddress') : code,
        moduleSideEffects: false,
        // Lines stay where they are.
        map: null,
      };
    },
  };
}

/** Its main file is `dist/index.js`. */
function addressOf(name: string, file: string): string {
  const main = `pathToOwnUrl(createOwnRequire(import.meta.url).resolve(${JSON.stringify(name)}))`;
  return (
    "import { createRequire as createOwnRequire } from 'node:module'; " +
    "import { pathToFileURL as pathToOwnUrl } from 'node:url'; " +
    `const ownAddress = new URL(${JSON.stringify(file)}, ${main}).href; `
  );
}
