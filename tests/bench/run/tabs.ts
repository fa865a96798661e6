/** Real Chromium tabs on a page of the benchmark's own: built by Vite, served by an entry with the headers of the web app. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Entry } from '@tabmesh/signaling';
import { type Browser, chromium, type Page } from 'playwright';
import { build } from 'vite';
import { chromiumLaunch, ensureChromium } from '../../setup/chromium.mjs';
import { startBenchEntry } from '../peers/bench-entry.ts';
import type { BenchContext } from './benchmark.ts';

export interface Tabs {
  readonly entry: Entry;
  /** In a profile of its own. Resolves when the page is loaded. */
  open(): Promise<Page>;
}

/** What a page needs of a benchmark; a test can give it, too. */
type PageContext = Pick<BenchContext, 'root' | 'onEnd' | 'progress'>;

/** `page`: the name of a folder in `tab-page`. */
export async function startTabs(context: PageContext, page: string): Promise<Tabs> {
  const { root, onEnd, progress } = context;
  const webRoot = await buildPage(context, page);
  const entry = await startBenchEntry({ webRoot, modelRoot: join(root, 'shared/models') });
  onEnd(() => entry.close());
  const browser = await launchChromium(root);
  onEnd(() => browser.close());
  return {
    entry,
    async open() {
      const profile = await browser.newContext();
      const tab = await profile.newPage();
      tab.on('pageerror', (error) => progress(`the page failed: ${error.message}`));
      await tab.goto(entry.url);
      return tab;
    },
  };
}

export async function launchChromium(root: string): Promise<Browser> {
  await ensureChromium(root);
  return chromium.launch({
    ...chromiumLaunch(),
    // Ctrl-C is for the benchmark to hear; it closes the browser.
    handleSIGINT: false,
    handleSIGTERM: false,
  });
}

/** The folder with the built page, for an entry to serve. */
export async function buildPage({ onEnd, progress }: PageContext, page: string): Promise<string> {
  progress('building the page');
  const webRoot = mkdtempSync(join(tmpdir(), 'tabmesh-bench-'));
  onEnd(() => rmSync(webRoot, { recursive: true, force: true }));
  await build({
    root: join(import.meta.dirname, '../tab-page', page),
    configFile: false,
    logLevel: 'warn',
    // As in the web app: the package's main file needs Node's globals.
    resolve: { alias: [{ find: /^simple-peer$/, replacement: 'simple-peer/simplepeer.min.js' }] },
    worker: { format: 'es' },
    build: { outDir: webRoot, emptyOutDir: true, target: 'esnext', chunkSizeWarningLimit: 8_000 },
  });
  return webRoot;
}
