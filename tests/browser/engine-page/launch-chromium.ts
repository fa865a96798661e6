/** A real Chromium: the one on this machine. */
import { type Browser, chromium, type Page } from 'playwright';
import type { EngineTests } from './page.ts';

/** SwiftShader's adapter, in software: everything of WebGPU but speed and half floats. */
export const SOFTWARE_GPU = '--enable-unsafe-webgpu';

export function launchChromium(...flags: readonly string[]): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.TABMESH_CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...flags,
    ],
  });
}

/** Opens the engine page in a fresh profile. */
export async function openEnginePage(browser: Browser, url: string): Promise<Page> {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(url);
  await page.waitForFunction(() => globalThis.engineTests !== undefined);
  return page;
}

/** Calls one of the page's functions by name; arguments and results are plain data. */
export function inPage<Name extends keyof EngineTests>(
  page: Page,
  name: Name,
  ...args: Parameters<EngineTests[Name]>
): Promise<Awaited<ReturnType<EngineTests[Name]>>> {
  return page.evaluate(
    ([called, values]) => {
      const tests = globalThis.engineTests;
      if (tests === undefined) throw new Error('The page is gone.');
      return Reflect.apply(tests[called as keyof EngineTests], tests, values as unknown[]);
    },
    [name, args] as const,
  );
}
