/**
 * How much JavaScript the first visit of `/` costs: what `index.html` names and all that it imports statically, compressed.
 * Beside it what a real Chromium fetched until the page was idle, so that an import that is dynamic in name only shows.
 */
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { parseAst } from 'vite';
import { ensureWebBuilt } from '../../shared/setup/build-web.mjs';
import { startBenchEntry } from './peers/bench-entry.ts';
import { type BenchContext, type Benchmark, type Target, toResult } from './run/benchmark.ts';
import { launchChromium } from './run/tabs.ts';

const MOST_KILOBYTES = 150;

export const benchmark: Benchmark = {
  name: 'first-load',
  describe: 'compressed JavaScript of the first visit of /',
  async run(context) {
    await ensureWebBuilt(context.root);
    const webRoot = join(context.root, 'client/dist');
    const named = staticScripts(webRoot);
    context.progress(`${named.length} scripts; opening the page`);
    const fetched = await fetchedScripts(context, webRoot);
    const target: Target = { of: 'value', bound: 'at most', limit: MOST_KILOBYTES };
    const rival = (files: readonly string[]) => ({ name: 'not compressed', value: kilobytes(files, (bytes) => bytes) });
    return [
      toResult({
        name: 'static imports, gzip',
        value: kilobytes(named, gzipSync),
        unit: 'KB',
        rival: rival(named),
        target,
      }),
      toResult({
        name: 'static imports, brotli',
        value: kilobytes(named, brotliCompressSync),
        unit: 'KB',
        rival: rival(named),
        target,
      }),
      toResult({
        name: `all ${fetched.length} that Chromium fetched, gzip`,
        value: kilobytes(fetched, gzipSync),
        unit: 'KB',
        rival: rival(fetched),
        target,
      }),
    ];
  },
};

/** Each file compressed on its own, as it is sent. */
function kilobytes(files: readonly string[], compress: (bytes: Buffer) => Buffer): number {
  return files.reduce((sum, file) => sum + compress(readFileSync(file)).length, 0) / 1000;
}

function staticScripts(webRoot: string): string[] {
  const html = readFileSync(join(webRoot, 'index.html'), 'utf8');
  const named = [...html.matchAll(/<(?:script|link)\b[^>]*\b(?:src|href)="\/?([^"]+\.js)"/g)].map(
    ([, path]) => path ?? '',
  );
  const found = new Set<string>();
  const visit = (file: string) => {
    if (found.has(file)) return;
    found.add(file);
    for (const imported of staticImports(readFileSync(file, 'utf8'))) visit(join(dirname(file), imported));
  };
  for (const path of named) visit(join(webRoot, path));
  return [...found];
}

function staticImports(code: string): string[] {
  return parseAst(code).body.flatMap((statement) => {
    const source = 'source' in statement ? statement.source : null;
    return source !== null && source !== undefined ? [source.value] : [];
  });
}

async function fetchedScripts({ root, onEnd, signal }: BenchContext, webRoot: string): Promise<string[]> {
  const entry = await startBenchEntry({ webRoot });
  onEnd(() => entry.close());
  const browser = await launchChromium(root);
  onEnd(() => browser.close());
  const page = await browser.newPage();
  const files = new Set<string>();
  page.on('request', (request) => {
    if (request.resourceType() === 'script') files.add(join(webRoot, relative('/', new URL(request.url()).pathname)));
  });
  await page.goto(entry.url, { waitUntil: 'networkidle' });
  signal.throwIfAborted();
  return [...files];
}
