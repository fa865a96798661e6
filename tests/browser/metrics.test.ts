/** The metrics page against real entries: one whose ledger holds a month, one without an answer. */
import { readFile } from 'node:fs/promises';
import AxeBuilder from '@axe-core/playwright';
import type { Entry } from '@tabmesh/signaling';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MetricsReport } from '../../signaling/src/ledger/metrics-report.ts';
import { ask } from '../setup/chat-page.ts';
import { monthOfAnswers, startEntryWithLedger } from '../setup/entry-with-ledger.ts';
import { openProfile, type Profile } from '../setup/profile.ts';
import { createEchoEngine, startMember, untilMesh } from '../setup/test-mesh.ts';

const ANSWERS = 3_000;

let entry: Entry;
let profile: Profile;
let page: Page;

beforeAll(async () => {
  entry = await startEntryWithLedger(monthOfAnswers(ANSWERS));
  profile = await openProfile();
  page = profile.page;
});

afterAll(async () => {
  await profile?.[Symbol.asyncDispose]();
  await entry?.close();
});

const chart = (name: RegExp) => page.getByRole('figure', { name });
const drawing = (name: RegExp) => chart(name).getByRole('img', { name });
async function openMetrics(): Promise<void> {
  await page.goto(`${entry.url}/metrics`);
  await drawing(/Time to first token/)
    .locator('canvas')
    .waitFor();
}

async function violations(): Promise<string[]> {
  const found = await new AxeBuilder({ page }).analyze();
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`);
}

async function reportOf({ url }: Entry): Promise<MetricsReport> {
  const response = await fetch(`${url}/api/metrics`);
  return (await response.json()) as MetricsReport;
}

/** Adds up what the page writes as '1,204 mesh'. */
function sum(texts: readonly string[]): number {
  return texts.reduce((total, text) => total + Number(/[\d,]+/.exec(text)?.[0].replaceAll(',', '')), 0);
}

describe('the metrics page', () => {
  it('MP12: it tells share with raw counts, this week, and the milestones', async () => {
    await openMetrics();
    const week = page.getByRole('region', { name: 'Mesh share, 7 days' });
    expect(await week.getByTestId('share').textContent()).toMatch(/^9\d\.\d %$/);
    const { share } = await reportOf(entry);
    const counts = await week.getByRole('listitem').allTextContents();
    expect(counts.map((text) => text.trim().replace(/^[\d,]+ /, ''))).toEqual(['mesh', 'outside provider', 'failed']);
    expect(sum(counts.slice(0, 1))).toBe(share.week.mesh);
    const rows = page.getByRole('table', { name: 'Milestones' }).getByRole('rowheader');
    expect((await rows.allTextContents()).sort()).toEqual(['Llama-3.2-3B', 'Qwen3-8B', 'mesh-tiny']);
    await page.getByRole('region', { name: 'This week' }).getByText('First token, p50').waitFor();
  });

  it('MP12: of many peers the first are listed, and a button lists the rest', async () => {
    const { week, ...rest } = await reportOf(entry);
    const peers = Array.from({ length: 20 }, (_unused, place) => ({
      peerId: `peer-${place}`,
      name: `name-${place}`,
      tokens: 1_000 - place,
    }));
    await page.route('**/api/metrics*', (route) => route.fulfill({ json: { ...rest, week: { ...week, peers } } }));
    await openMetrics();
    const listed = page.getByRole('region', { name: 'This week' }).getByRole('listitem');
    expect(await listed.count()).toBe(8);
    await page.getByRole('button', { name: 'Show all 20' }).click();
    expect(await listed.count()).toBe(20);
    await page.unroute('**/api/metrics*');
  });

  it('MP14: range and model decide what is drawn, and nothing else', async () => {
    await openMetrics();
    const day = page.getByTestId('share').first();
    const before = await day.textContent();
    const range = (name: string) => page.getByRole('button', { name, exact: true });
    expect(await range('24 hours').getAttribute('aria-pressed')).toBe('true');
    await range('30 days').click();
    await drawing(/Answers per day/).waitFor();
    expect(await range('30 days').getAttribute('aria-pressed')).toBe('true');
    await page.getByRole('combobox', { name: 'Model' }).selectOption('mesh-tiny');
    await page.getByText('Failed answers belong to no model').waitFor();
    expect(await drawing(/Answers per day/).getAttribute('aria-label')).not.toContain('failed');
    expect(await day.textContent()).toBe(before);
  });

  it('MP9: table and file hold what is drawn', async () => {
    await openMetrics();
    await page.getByRole('button', { name: '30 days' }).click();
    const answers = chart(/Answers per day/);
    await answers.getByRole('button', { name: 'Table of answers per day' }).click();
    const cells = await answers.getByRole('row').getByRole('cell').allTextContents();
    expect(sum(cells)).toBe(ANSWERS);
    const download = page.waitForEvent('download');
    await answers.getByRole('button', { name: 'Download answers per day as CSV' }).click();
    const file = await download;
    expect(file.suggestedFilename()).toBe('tabmesh-answers-30d.csv');
    const lines = (await readFile(await file.path(), 'utf8')).trim().split('\r\n');
    expect(lines[0]).toBe('from,to,mesh (answers),outside provider (answers),failed (answers)');
    const rows = lines.slice(1).map((line) => line.split(',').slice(2));
    expect(rows.flat().reduce((total, cell) => total + Number(cell), 0)).toBe(ANSWERS);
    expect(rows).toHaveLength(await answers.locator('tbody').getByRole('row').count());
  });

  it('MP13: the crosshair stands on all charts at one moment and tells the values there', async () => {
    await openMetrics();
    const moments = () => page.getByTestId('moment').allTextContents();
    const newest = await moments();
    await drawing(/Time to first token/).hover({ position: { x: 160, y: 80 } });
    await expect.poll(async () => (await moments())[0]).not.toBe(newest[0]);
    expect(new Set(await moments()).size).toBe(1);
    await page.mouse.move(0, 0);
    await expect.poll(moments).toEqual(newest);
  });

  it('MP15: the drawing takes the colours of the theme, at once', async () => {
    await page.emulateMedia({ colorScheme: 'light' });
    await openMetrics();
    const pixels = () =>
      drawing(/Answers/)
        .locator('canvas')
        .evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL());
    const light = await pixels();
    await page.emulateMedia({ colorScheme: 'dark' });
    await expect.poll(pixels).not.toBe(light);
    await page.emulateMedia({ colorScheme: 'light' });
    await expect.poll(pixels).toBe(light);
  });

  it('MP15: the drawing is as wide as its place, on a turned phone too', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await openMetrics();
    const widths = () =>
      drawing(/Answers/).evaluate((place) => [place.clientWidth, place.querySelector('canvas')?.clientWidth]);
    await expect.poll(async () => new Set(await widths()).size).toBe(1);
    const narrow = await widths();
    await page.setViewportSize({ width: 740, height: 360 });
    await expect.poll(async () => new Set(await widths()).size).toBe(1);
    expect(await widths()).not.toEqual(narrow);
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  it.each(['light', 'dark'] as const)('MP16: it has no accessibility violation in %s', async (colorScheme) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await openMetrics();
    expect(await violations()).toEqual([]);
    await page
      .getByRole('button', { name: /^Table of/ })
      .first()
      .click();
    expect(await violations()).toEqual([]);
  });

  it('MP16: it does not scroll sideways on a phone, with its tables open too', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await openMetrics();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
    for (const button of await page.getByRole('button', { name: /^Table of/ }).all()) await button.click();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
    expect(await page.evaluate(() => document.querySelector('.page')?.scrollWidth)).toBeLessThanOrEqual(360);
    expect(await violations()).toEqual([]);
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  it('MP1: sidebar and palette lead to it', async () => {
    await page.goto(entry.url);
    await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Metrics' }).click();
    await page.getByTestId('share').first().waitFor();
    expect(await page.title()).toContain('Metrics');
    await page.goto(entry.url);
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: 'Command or conversation' }).fill('metrics');
    await page.keyboard.press('Enter');
    await page.getByTestId('share').first().waitFor();
  });

  it('MP17: until the first report it shows the shape of what is coming', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await page.route('**/api/metrics*', async (route) => {
      await held;
      await route.continue();
    });
    await page.goto(`${entry.url}/metrics`);
    await page.getByTestId('metrics-skeleton').first().waitFor();
    expect(await violations()).toEqual([]);
    release();
    await page.getByTestId('share').first().waitFor();
    await page.unroute('**/api/metrics*');
  });

  it('MP18: it logged no error', () => {
    expect(profile.complaints).toEqual([]);
  });

  it('MP5: what the entry refuses is told, and trying again mends it', async () => {
    const message = 'The ledger can not be read right now. Try again in a few seconds.';
    await page.route('**/api/metrics*', (route) => route.fulfill({ status: 502, json: { error: { message } } }));
    await page.goto(`${entry.url}/metrics`);
    await page.getByRole('alert').getByText(message).waitFor();
    expect(await violations()).toEqual([]);
    await page.unroute('**/api/metrics*');
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByTestId('share').first().waitFor();
    expect(await page.getByRole('alert').count()).toBe(0);
  });
});

describe('the metrics of an entry that nobody asked yet', () => {
  it('MP11: they lead to the chat, and the first answer is counted', async () => {
    await using fresh = await startEntryWithLedger([]);
    const member = startMember(fresh.url, createEchoEngine('Qwen3-8B', 1));
    await untilMesh(fresh.mesh, () => fresh.mesh.models().length === 1);
    await using guest = await openProfile();
    await guest.page.goto(`${fresh.url}/metrics`);
    await guest.page.getByRole('heading', { name: 'No answers yet. Ask something.' }).waitFor();
    await guest.page.getByRole('link', { name: 'Go to the chat' }).click();
    expect((await ask(guest.page, 'one two three four five six seven eight nine ten')).state).toBe('done');
    await expect.poll(async () => (await reportOf(fresh)).share.day.mesh).toBe(1);
    await guest.page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Metrics' }).click();
    await guest.page.getByRole('region', { name: 'Mesh share, 24 hours' }).getByText('1 mesh').waitFor();
    await guest.page.getByRole('table', { name: 'Milestones' }).getByRole('rowheader', { name: 'Qwen3-8B' }).waitFor();
    await member.close();
  });

  it('MP5: an entry that is gone is told of, and the figures that came stay', async () => {
    await using other = await startEntryWithLedger(monthOfAnswers(50));
    await using guest = await openProfile();
    await guest.page.goto(`${other.url}/metrics`);
    await guest.page.getByTestId('share').first().waitFor();
    await other.close();
    await guest.page.getByRole('button', { name: '7 days' }).click();
    await guest.page.getByRole('alert').getByText("The entry can't be reached.").waitFor();
    await guest.page.getByText('Offline:').waitFor();
    expect(await guest.page.getByTestId('share').count()).toBe(2);
  });
});
