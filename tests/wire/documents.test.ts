/**
 * Holds what the documents say of files to the files: a walk that leads to a file which was moved ends there. Read are
 * paths and file names in backticks, links, and in CONTRIBUTING.md every name of the code.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const workspaces = ['shared', 'signaling', 'client', 'native-peer', 'tests'];

/** By their paths from the root, with slashes. */
const files = [...workspaces.flatMap((workspace) => filesUnder(join(root, workspace))), ...filesBeside(root)].map(
  (file) => relative(root, file).replaceAll('\\', '/'),
);
const documents = files.filter((file) => /(?:^|\/)(?:README|CONTRIBUTING)\.md$/.test(file));

const FENCE = /^```[\s\S]*?^```/gm;
const QUOTED = /`([^`\n]+)`/g;
const LINK = /\]\((?!\w+:|#)([^)#]+)(?:#[^)]*)?\)/g;
/** Folders and files, `*` and `<name>` for a part of a name. A model, a variable and an address begin otherwise. */
const PATH = /^[a-z.][\w.*<>-]*(?:\/[\w.*<>-]*)+$/;
/** Files that are the project's own; a `.json` is often a stranger's. */
const FILE_NAME = /^[\w.*-]+\.(?:ts|mjs|svelte|css|sh|py)$/;
const PLACEHOLDER = /<\w+>/g;
const WORD = /[A-Za-z_$][\w$]{2,}/g;

/** Where the folders lie, and where it is told what each is for. */
const MAPS = [
  ...['shared', 'signaling', 'client', 'native-peer'].map((name) => [`${name}/src`, `${name}/README.md`] as const),
  ['tests', 'tests/README.md'] as const,
];

describe('the documents', () => {
  it.each(documents)('SP4: every file and folder that %s names is there', (document) => {
    const text = readFileSync(join(root, document), 'utf8').replace(FENCE, '');
    const missing = matches(text, QUOTED).filter((quoted) => !isThere(quoted, document));
    const dead = matches(text, LINK).filter((link) => !existsSync(join(root, dirname(document), link)));
    expect([...missing, ...dead]).toEqual([]);
  });

  it('SP4: paths are found in them, and one that is not there is seen', () => {
    const named = documents.flatMap((document) =>
      matches(readFileSync(join(root, document), 'utf8').replace(FENCE, ''), QUOTED).filter((quoted) =>
        PATH.test(quoted),
      ),
    );
    expect(named.length).toBeGreaterThan(60);
    expect(isThere('shared/src/limits.ts', 'README.md')).toBe(true);
    expect(isThere('src/<name>/', 'client/README.md')).toBe(true);
    expect(isThere('shared/src/no-such-file.ts', 'README.md')).toBe(false);
    expect(isThere('src/no-such-room/', 'client/README.md')).toBe(false);
    expect(isThere('no-such-file.ts', 'README.md')).toBe(false);
    expect(isThere('lifecycle.ts', 'signaling/README.md')).toBe(false);
  });

  it.each(MAPS)('SP5: every folder of %s has its row in the map of %s', (place, document) => {
    const rows = readFileSync(join(root, document), 'utf8').match(/^\|.*$/gm) ?? [];
    const folders = new Set(
      files.flatMap((file) =>
        file.startsWith(`${place}/`) ? [/^([^/]+)\//.exec(file.slice(place.length + 1))?.[1]] : [],
      ),
    );
    folders.delete(undefined);
    expect(folders.size).toBeGreaterThan(4);
    const isListed = (folder = '') =>
      rows.some((row) => new RegExp(`\`(?:src/)?${folder}/?\``).test(row.split('|')[1] ?? ''));
    expect([...folders].filter((folder) => !isListed(folder))).toEqual([]);
    const told = rows.flatMap((row) => /^\| `([a-z-]+)` +\|/.exec(row)?.[1] ?? []);
    expect(told.filter((folder) => !folders.has(folder))).toEqual([]);
  });

  it('SP4: every name of the code that CONTRIBUTING.md mentions is in the code', () => {
    const code = new Set(
      files
        .filter((file) => /\.(?:ts|mjs|svelte|css)$/.test(file))
        .flatMap((file) => readFileSync(join(root, file), 'utf8').match(WORD) ?? []),
    );
    const quoted = matches(readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8').replace(FENCE, ''), QUOTED);
    const names = quoted
      .filter((text) => !PATH.test(text))
      .flatMap((text) => text.replace(/\w*<\w+>/g, '').match(WORD) ?? []);
    expect(names.length).toBeGreaterThan(30);
    expect(names.filter((name) => !code.has(name))).toEqual([]);
  });
});

/** What is no path is there. Paths begin at the root, beside the document, or in the `src` beside it. */
function isThere(quoted: string, document: string): boolean {
  const folder = dirname(document);
  if (FILE_NAME.test(quoted)) {
    const known = files.filter((file) => folder === '.' || file.startsWith(`${folder}/`));
    return known.some((file) => patternOf(quoted).test(basename(file)));
  }
  if (!PATH.test(quoted)) return true;
  const roots = [root, join(root, folder), join(root, folder, 'src')];
  if (!/[*<]/.test(quoted)) return roots.some((from) => existsSync(join(from, quoted)));
  // What the reader names is to be made; the folder for it is there.
  const place = quoted.slice(0, quoted.search(/[^/]*[*<]/));
  return roots.some((from) => existsSync(join(from, place)));
}

function patternOf(name: string): RegExp {
  const escaped = name.replace(PLACEHOLDER, '*').replace(/[.$]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('*', '.+')}$`);
}

function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, match = '']) => match);
}

function filesBeside(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((found) => found.isFile())
    .map(({ name }) => join(folder, name));
}

function filesUnder(folder: string): string[] {
  const folders = readdirSync(folder, { withFileTypes: true }).filter(
    (found) => found.isDirectory() && !/^(?:\.|node_modules$|dist$)/.test(found.name),
  );
  return [...filesBeside(folder), ...folders.flatMap(({ name }) => filesUnder(join(folder, name)))];
}
