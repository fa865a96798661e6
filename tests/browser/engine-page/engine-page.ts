/** Drives the engine test page in a real Chromium. */
import { type Browser, chromium, type Page } from 'playwright';
import { chromiumLaunch } from '../../setup/chromium.mjs';
import type { EngineTests } from './page.ts';

/** SwiftShader's adapter, in software: everything of WebGPU but speed and half floats. */
export const SOFTWARE_GPU = '--enable-unsafe-webgpu';

export function launchChromium(...flags: readonly string[]): Promise<Browser> {
  return chromium.launch(chromiumLaunch(...flags));
}

/** Opens the page in a profile of its own. */
export async function openEnginePage(browser: Browser, url: string): Promise<Page> {
  const context = await browser.newContext();
  return gotoEnginePage(await context.newPage(), url);
}

export async function gotoEnginePage(page: Page, url: string): Promise<Page> {
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
    ({ called, values }) => {
      const tests = globalThis.engineTests;
      if (tests === undefined) throw new Error('The page is gone.');
      return Reflect.apply(tests[called], tests, values);
    },
    { called: name, values: args },
  );
}
