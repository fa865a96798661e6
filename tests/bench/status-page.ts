/**
 * How smoothly the built status page runs in a real Chromium while it shows hundreds of peers and a hundred of their
 * announcements change each second. They come over socket.io, and the page checks each signature, as it always does. The
 * rival is an empty page in the same browser.
 */
import { join } from 'node:path';
import type { Browser, Page } from 'playwright';
import { ensureWebBuilt } from '../../shared/setup/build-web.mjs';
import type { CrowdEntryCalls } from './peers/crowd-entry-process.ts';
import { type Benchmark, toResult } from './run/benchmark.ts';
import { median } from './run/statistics.ts';
import { launchChromium } from './run/tabs.ts';

/** Of whom a few drain or only ask, so that some 2,000 models are left. */
const PEERS = 520;
const UPDATES_PER_SECOND = 100;
const LEAST_FRAMES_PER_SECOND = 50;
const MEASURED_MS = 10_000;
const SETTLE_MS = 3_000;
const BLANK_MS = 4_000;
const SCROLLED_PX_PER_FRAME = 30;
const RIVAL = 'an empty page';

export const benchmark: Benchmark = {
  name: 'status-page',
  describe: `frames per second of /status with ${PEERS} peers and ${UPDATES_PER_SECOND} updates a second`,
  async run({ root, children, onEnd, progress, signal }) {
    await ensureWebBuilt(root);
    progress(`signing for ${PEERS} peers`);
    const crowd = await children.start<CrowdEntryCalls>(new URL('./peers/crowd-entry-process.ts', import.meta.url));
    const { url, models } = await crowd.call('start', {
      webRoot: join(root, 'client/dist'),
      peers: PEERS,
      updatesPerSecond: UPDATES_PER_SECOND,
    });
    const browser = await launchChromium(root);
    onEnd(() => browser.close());

    const blanks = [await framesOfBlankPage(browser)];
    signal.throwIfAborted();
    progress(`opening a page of ${models} models`);
    const page = await openStatusPage(browser, url);
    progress('looking at it');
    const updatesBefore = await crowd.call('updates', undefined);
    const looking = await countFrames(page, MEASURED_MS, 0);
    const updates = (await crowd.call('updates', undefined)) - updatesBefore;
    signal.throwIfAborted();
    progress('scrolling through it');
    const scrolling = await countFrames(page, MEASURED_MS, SCROLLED_PX_PER_FRAME);
    await page.close();
    blanks.push(await framesOfBlankPage(browser));

    const blank = {
      perSecond: median(blanks.map((frames) => frames.perSecond)),
      longestMs: Math.max(...blanks.map((frames) => frames.longestMs)),
    };
    const figures = (what: string, frames: Frames, least?: number) => [
      toResult({
        name: `${what}, frames`,
        value: frames.perSecond,
        unit: '/s',
        rival: { name: RIVAL, value: blank.perSecond },
        target: least === undefined ? undefined : { of: 'value', bound: 'at least', limit: least },
      }),
      toResult({
        name: `${what}, longest frame`,
        value: frames.longestMs,
        unit: 'ms',
        rival: { name: RIVAL, value: blank.longestMs },
      }),
    ];
    return [
      ...figures(`${PEERS} peers, ${models} models`, looking, LEAST_FRAMES_PER_SECOND),
      ...figures('the same scrolled', scrolling),
      toResult({ name: 'updates meanwhile', value: (updates * 1000) / MEASURED_MS, unit: '/s' }),
    ];
  },
};

interface Frames {
  readonly perSecond: number;
  readonly longestMs: number;
}

async function framesOfBlankPage(browser: Browser): Promise<Frames> {
  const page = await browser.newPage();
  await page.setContent('<!doctype html><title>empty</title>');
  const frames = await countFrames(page, BLANK_MS, 0);
  await page.close();
  return frames;
}

/** Resolves when it has them all, has drawn them and is done with what a first visit does. */
async function openStatusPage(browser: Browser, url: string): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(`${url}/status`);
  // This page is a peer as well.
  await page
    .getByTestId('status-headline')
    .getByText(`${PEERS + 1} peers · `)
    .waitFor();
  await page.waitForTimeout(SETTLE_MS);
  return page;
}

function countFrames(page: Page, durationMs: number, scrolledPx: number): Promise<Frames> {
  return page.evaluate(
    ([limitMs, stepPx]) =>
      new Promise<Frames>((resolve) => {
        const scroller = document.querySelector('.page');
        let firstMs: number | undefined;
        let lastMs = 0;
        let frames = 0;
        let longestMs = 0;
        // A method, because tsx gives other functions names by a helper that the page does not have.
        const counter = {
          frame(nowMs: number) {
            if (firstMs !== undefined) {
              frames += 1;
              longestMs = Math.max(longestMs, nowMs - lastMs);
            }
            firstMs ??= nowMs;
            lastMs = nowMs;
            if (stepPx > 0) scroller?.scrollBy(0, stepPx);
            if (nowMs - firstMs < limitMs) requestAnimationFrame((next) => counter.frame(next));
            else resolve({ perSecond: (frames * 1000) / (nowMs - firstMs), longestMs });
          },
        };
        requestAnimationFrame((first) => counter.frame(first));
      }),
    [durationMs, scrolledPx] as const,
  );
}
