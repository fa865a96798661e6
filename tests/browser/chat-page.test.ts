/** What people do beside asking: two tabs, a keyboard, other scripts, long questions, no connection. */
import AxeBuilder from '@axe-core/playwright';
import type { Entry } from '@tabmesh/signaling';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, openChat } from '../setup/chat-page.ts';
import { type EchoMesh, openEchoMesh } from '../setup/echo-mesh.ts';
import { openProfile, type Profile } from '../setup/profile.ts';

let mesh: EchoMesh;
let entry: Entry;
let profile: Profile;
let page: Page;

beforeAll(async () => {
  mesh = await openEchoMesh({ echo: 2, 'slow-echo': 100 });
  ({ entry, profile } = mesh);
  page = profile.page;
});

afterAll(() => mesh?.[Symbol.asyncDispose]());

const answersOf = (tab: Page) => tab.getByRole('log').locator('article[data-role="assistant"]');

async function newChat(tab: Page, model = 'echo'): Promise<void> {
  await openChat(tab, entry.url);
  await tab.getByRole('combobox', { name: 'Model' }).selectOption(model);
}

/** Of half a minute and more. */
async function askForLongAnswer(tab: Page): Promise<void> {
  await newChat(tab, 'slow-echo');
  await tab.getByRole('textbox', { name: 'Message' }).fill('word '.repeat(400));
  await tab.getByRole('button', { name: 'Send' }).click();
  await answersOf(tab).getByText('word word').waitFor();
}

async function violations(): Promise<string[]> {
  const found = await new AxeBuilder({ page }).analyze();
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`);
}

describe('two tabs that show one conversation', () => {
  it('WA14: an answer of the other one grows here too, and Stop here ends it there', async () => {
    await askForLongAnswer(page);
    const second = await profile.context.newPage();
    await second.goto(page.url());
    const seen = answersOf(second);
    await seen.getByText('answering in another tab').waitFor();
    const before = ((await seen.locator('.markdown').textContent()) ?? '').length;
    await expect.poll(async () => (await seen.locator('.markdown').textContent())?.length).toBeGreaterThan(before);
    expect(await seen.getByRole('button', { name: 'Retry' }).count()).toBe(0);
    await second.getByRole('button', { name: 'Stop', exact: true }).click();
    await answersOf(page).and(page.locator('[data-state="done"]')).waitFor();
    await seen.and(second.locator('[data-state="done"]')).waitFor();
    await second.getByRole('button', { name: 'Send' }).waitFor();
    expect(await seen.locator('.markdown').textContent()).toBe(
      await answersOf(page).locator('.markdown').textContent(),
    );
    await expect.poll(() => mesh.members[1]?.serving().activeJobs).toBe(0);
    await second.close();
  });

  it('WA14: when the other one closes, what came of its answer stays, and one can ask on here', async () => {
    const first = await profile.context.newPage();
    await askForLongAnswer(first);
    await page.goto(first.url());
    const seen = answersOf(page);
    await seen.getByText('answering in another tab').waitFor();
    // A page that dies takes the last half second of its answer with it: what is seen here is stored.
    await seen.getByText('word word').waitFor();
    await first.close();
    // Stopped, or cut off where the closing page could write no more.
    await seen.and(page.locator(':not([data-state="streaming"])')).waitFor();
    expect(await seen.textContent()).toContain('word word');
    await page.getByRole('combobox', { name: 'Model' }).selectOption('echo');
    expect((await ask(page, 'Hello')).state).toBe('done');
  });
});

describe('reading', () => {
  it('WA15: what is written from the right is read from the right, code from the left', async () => {
    await newChat(page);
    const { article } = await ask(page, 'שלום עולם\n\n- אחת\n\n```js\n// שלום\n```\n\nand English');
    const edges = (inside: string) =>
      article.locator(inside).evaluate((element) => {
        const range = document.createRange();
        range.selectNodeContents(element);
        const text = range.getBoundingClientRect();
        const column = element.closest('article')?.getBoundingClientRect() ?? text;
        return text.left - column.left > column.right - text.right ? 'right' : 'left';
      });
    expect(await edges('.block:nth-child(1) p')).toBe('right');
    expect(await edges('li')).toBe('right');
    expect(await edges('code')).toBe('left');
    expect(await edges('.block:last-child p')).toBe('left');
    expect(await page.getByRole('textbox', { name: 'Message' }).getAttribute('dir')).toBe('auto');
  });

  it('WA16: a question of many lines is folded and can be shown whole', async () => {
    await newChat(page);
    await ask(page, Array.from({ length: 60 }, (_unused, line) => `line ${line}`).join('\n'));
    const question = page.getByRole('log').locator('article[data-role="user"]');
    const height = async () => (await question.boundingBox())?.height ?? 0;
    const folded = await height();
    expect(await violations()).toEqual([]);
    await question.getByRole('button', { name: 'Show all' }).click();
    expect(await height()).toBeGreaterThan(2 * folded);
    await question.getByRole('button', { name: 'Show less' }).click();
    expect(await height()).toBe(folded);
  });

  it('WA17: the title of the window is that of the conversation', async () => {
    await newChat(page);
    await ask(page, 'Which birds sing at night');
    expect(await page.title()).toBe('Which birds sing at night — TabMesh');
  });

  it('WA24: the search of the browser finds what was said long ago', async () => {
    const at = new Date(0).toISOString();
    const messages = Array.from({ length: 200 }, (_unused, place) => ({
      id: `said-${place}`,
      role: place % 2 === 0 ? 'user' : 'assistant',
      content: `Message number ${place}.`,
      createdAt: at,
      sender: null,
      host: null,
      status: { state: 'done', finish: 'stop' },
    }));
    const file = {
      format: 'tabmesh-conversations',
      version: 1,
      conversations: [{ id: 'long', title: 'Long', createdAt: at, updatedAt: at, messages }],
    };
    await page.goto(`${entry.url}/settings`);
    await page.getByLabel('File to import').setInputFiles({
      name: 'conversations.json',
      mimeType: 'application/json',
      buffer: Buffer.from(JSON.stringify(file)),
    });
    await page.getByText('1 conversation imported.').waitFor();
    await page.goto(`${entry.url}/chat/long`);
    await page.getByText('Message number 199.').waitFor();
    expect(await page.getByText('Message number 0.').count()).toBe(0);
    await page.keyboard.press('Control+f');
    await page.getByText('Message number 0.').waitFor({ state: 'attached' });
    await expect.poll(() => page.getByText('Message number 199.').isVisible()).toBe(true);
  });

  it('WA25: a click on the title changes it, Enter keeps it, Escape does not', async () => {
    await newChat(page);
    await ask(page, 'a question that makes a poor title');
    const title = page.getByRole('heading', { level: 1 }).getByRole('button');
    await title.click();
    const field = page.getByRole('textbox', { name: 'Title' });
    expect(await violations()).toEqual([]);
    await field.fill('Rivers of Asia');
    await field.press('Enter');
    await page.getByRole('navigation', { name: 'Conversations' }).getByText('Rivers of Asia').waitFor();
    await title.click();
    await field.fill('Something else');
    await field.press('Escape');
    expect(await title.textContent()).toBe('Rivers of Asia');
    await page.reload();
    await expect.poll(() => title.textContent()).toBe('Rivers of Asia');
  });

  it('WA18: Branch begins another conversation with what was said so far', async () => {
    await newChat(page);
    const first = await ask(page, 'the first question');
    await ask(page, 'the second question');
    const from = page.url();
    await first.article.hover();
    await first.article.getByRole('button', { name: 'Branch' }).click();
    await expect.poll(() => page.url()).not.toBe(from);
    await expect.poll(() => answersOf(page).count()).toBe(1);
    await ask(page, 'another second question');
    await page.goto(from);
    await expect.poll(() => answersOf(page).count()).toBe(2);
    expect(await page.getByRole('log').textContent()).not.toContain('another');
  });
});

describe('a keyboard', () => {
  const focused = () =>
    page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent);

  it('WA19: the list of conversations is two stops of the Tab key, and the sidebar can be skipped', async () => {
    await newChat(page);
    await ask(page, 'one more conversation');
    await page.getByRole('searchbox', { name: 'Search conversations' }).focus();
    await page.keyboard.press('Tab');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Tab');
    expect(await focused()).toMatch(/^Delete /);
    await page.keyboard.press('Tab');
    expect(await focused()).toContain('Contribute');

    await page.getByRole('button', { name: 'Skip to the page' }).focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    await page.locator('main button:focus').waitFor();
  });

  it('WA20: after Send and after Stop the next message can be typed at once', async () => {
    await askForLongAnswer(page);
    expect(await focused()).toBe('Message');
    await page.getByRole('button', { name: 'Stop', exact: true }).click();
    await page.getByRole('button', { name: 'Send' }).waitFor();
    expect(await focused()).toBe('Message');
  });
});

it('WA21: a page that cannot be loaded says so, and trying again shows it', async () => {
  await using guest = await openProfile();
  await openChat(guest.page, entry.url);
  await guest.context.route(/contribute-page/, (route) => route.abort());
  await guest.page.getByRole('link', { name: 'Contribute' }).click();
  await guest.page.getByRole('alert').getByText('This page could not be loaded.').waitFor();
  await guest.context.unroute(/contribute-page/);
  await guest.page.getByRole('button', { name: 'Try again' }).click();
  await guest.page.getByRole('button', { name: 'Start contributing' }).waitFor();
});

it('WA31: what lending needs and cannot be loaded is told when its page opens, and trying again loads it', async () => {
  await using guest = await openProfile();
  await openChat(guest.page, entry.url);
  await guest.context.route(/collect-baseline/, (route) => route.abort());
  await guest.page.getByRole('link', { name: 'Contribute' }).click();
  await guest.page.getByText(/^The engine could not be used .*Reload the page and try again\.$/).waitFor();
  expect(await guest.page.getByRole('button', { name: 'Start contributing' }).isEnabled()).toBe(false);
  await guest.context.unroute(/collect-baseline/);
  await guest.page.getByRole('button', { name: 'Try again' }).click();
  await guest.page.getByText('The page is isolated').waitFor();
});

it('WA21: while a page is on its way its title and its shape stand there', async () => {
  await using guest = await openProfile();
  await openChat(guest.page, entry.url);
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await guest.context.route(/contribute-page/, async (route) => {
    await held;
    await route.continue();
  });
  await guest.page.getByRole('link', { name: 'Contribute' }).click();
  await guest.page.getByRole('heading', { name: 'Contribute' }).waitFor();
  expect(await guest.page.getByRole('button', { name: 'Start contributing' }).count()).toBe(0);
  release();
  await guest.page.getByRole('button', { name: 'Start contributing' }).waitFor();
  expect(guest.complaints).toEqual([]);
});

it('WA23: a chosen model that nobody serves is told of before a message is sent, with the way to one that is', async () => {
  await newChat(page);
  await page.evaluate(() => localStorage.setItem('tabmesh.model', 'gone-model'));
  await page.goto(entry.url);
  await page.getByText('No peer serves gone-model right now.').waitFor();
  expect(await violations()).toEqual([]);
  await page.getByRole('button', { name: /^Use / }).click();
  expect(await page.getByText('gone-model').count()).toBe(0);
  expect((await ask(page, 'Hello')).state).toBe('done');
});

it('WA22: on a tablet nothing of the status is cut off at the edge', async () => {
  await page.setViewportSize({ width: 820, height: 1180 });
  await page.goto(`${entry.url}/status`);
  await page.getByRole('button', { name: 'Measure echo yourself' }).waitFor();
  await expect
    .poll(() => page.locator('.page').evaluate((element) => element.scrollWidth - element.clientWidth))
    .toBe(0);
  expect(await violations()).toEqual([]);
  await page.setViewportSize({ width: 1280, height: 800 });
});

it('WA6: no page complained', () => {
  expect(profile.complaints).toEqual([]);
});
