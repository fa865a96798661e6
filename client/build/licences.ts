/**
 * Writes `licences.txt` with the licence of every package that the web app is bundled from: most of them ask for that
 * wherever their code goes. Vite's own `build.license` knows nothing of what is bundled for workers, where WebLLM is.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Plugin } from 'vite';

interface Licence {
  /** `svelte 5.57.3 (MIT)`. */
  readonly title: string;
  readonly text: string;
}

/** llama.cpp comes compiled within wllama's package, which has only its own text. */
const WITHIN: Readonly<Record<string, string>> = {
  '@wllama/wllama': 'Contains llama.cpp and ggml, under the same licence: Copyright (c) 2023-2026 The ggml authors',
  '@mlc-ai/web-llm': 'Contains parts of Apache TVM, tokenizers-cpp and XGrammar, under the same licence.',
};

/** Published as one file that already holds what they depend on. */
const PREBUNDLED = ['simple-peer', '@mlc-ai/web-llm'];

export interface LicenceCollector {
  /** For the plugins of the workers: they are bundled first, each by itself. */
  collect(): Plugin;
  /** For the plugins of the page: collects as well, and writes the file. */
  write(): Plugin;
}

export function licences(): LicenceCollector {
  const folders = new Set<string>();
  const add = (folder: string | undefined) => {
    if (folder === undefined || folders.has(folder)) return;
    folders.add(folder);
    if (PREBUNDLED.some((name) => folder.replaceAll('\\', '/').endsWith(`/node_modules/${name}`)))
      addDependencies(folder);
  };
  const addDependencies = (folder: string) => {
    const { dependencies = {} } = readPackage(folder);
    for (const name of Object.keys(dependencies)) {
      const found = dependencyFolder(folder, name);
      if (found === undefined || folders.has(found)) continue;
      folders.add(found);
      addDependencies(found);
    }
  };
  const collect = (name: string, write: boolean): Plugin => ({
    name,
    apply: 'build',
    generateBundle(_options, bundle) {
      for (const file of Object.values(bundle))
        if (file.type === 'chunk') for (const id of file.moduleIds) add(packageFolder(id));
      if (write)
        this.emitFile({ type: 'asset', fileName: 'licences.txt', source: textOf([...folders].map(licenceIn)) });
    },
  });
  return {
    collect: () => collect('tabmesh-collect-licences', false),
    write: () => collect('tabmesh-licences', true),
  };
}

/** `…/node_modules/@scope/name` of a module somewhere below it; undefined for what is our own. */
function packageFolder(id: string): string | undefined {
  return /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(id.replace(/^\0/, ''))?.[0];
}

function licenceIn(folder: string): Licence {
  const { name = '', version, license = '', author } = readPackage(folder);
  const file = readdirSync(folder).find((one) => /^(licen[cs]e|copying)/i.test(one));
  const by = typeof author === 'string' ? author : author?.name;
  const text =
    file === undefined
      ? `Published without a text, under ${license}${by === undefined ? '' : ` by ${by}`}.`
      : readFileSync(join(folder, file), 'utf8').trim();
  const within = WITHIN[name];
  return {
    title: `${name} ${version} (${license.replace(/^\((.*)\)$/, '$1')})`,
    text: within === undefined ? text : `${within}\n\n${text}`,
  };
}

/** Beside the package first, then in each folder above, as Node looks for it. */
function dependencyFolder(from: string, name: string): string | undefined {
  for (let folder = from; folder !== dirname(folder); folder = dirname(folder)) {
    const found = join(folder, 'node_modules', name);
    if (existsSync(join(found, 'package.json'))) return found;
  }
  return undefined;
}

interface PackageJson {
  readonly name?: string;
  readonly version?: string;
  readonly license?: string;
  readonly author?: string | { readonly name?: string };
  readonly dependencies?: Readonly<Record<string, string>>;
}

function readPackage(folder: string): PackageJson {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

function textOf(found: readonly Licence[]): string {
  const own = readFileSync(join(dirname(import.meta.dirname), 'LICENSE'), 'utf8').trim();
  const parts = [...found].sort((one, other) => one.title.localeCompare(other.title, 'en'));
  const all = [{ title: 'TabMesh (MIT)', text: own }, ...parts];
  return all.map(({ title, text }) => `${title}\n${'-'.repeat(title.length)}\n\n${text}\n`).join('\n\n');
}
