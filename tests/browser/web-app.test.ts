/** The web app as a person uses it, against a real entry and peers whose pace and words the test decides. */
import AxeBuilder from '@axe-core/playwright';
import type { Entry } from '@tabmesh/signaling';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, openChat } from '../setup/chat-page.ts';
import { type EchoMesh, openEchoMesh } from '../setup/echo-mesh.ts';
import { openProfile, type Profile } from '../setup/profile.ts';
import { createEchoEngine, startMember, startTestEntry, untilMesh } from '../setup/test-mesh.ts';

let mesh: EchoMesh;
let entry: Entry;
let profile: Profile;
let page: Page;

beforeAll(async () => {
  mesh = await openEchoMesh({ echo: 2, 'slow-echo': 150 });
  ({ entry, profile } = mesh);
  page = profile.page;
});

afterAll(() => mesh?.[Symbol.asyncDispose]());

const log = () => page.getByRole('log');
const choose = (model: string) => page.getByRole('combobox', { name: 'Model' }).selectOption(model);
async function newChat(model = 'echo') {
  await openChat(page, entry.url);
  await choose(model);
}

function storedMessages(target: Page): Promise<number> {
  return target.evaluate(
    () =>
      new Promise<number>((resolve, reject) => {
        const opening = indexedDB.open('tabmesh');
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => {
          const counting = opening.result.transaction('messages').objectStore('messages').count();
          counting.onerror = () => reject(counting.error);
          counting.onsuccess = () => {
            opening.result.close();
            resolve(counting.result);
          };
        };
      }),
  );
}

describe('chatting', () => {
  it('WA1: an answer shows who served it, with which model and how fast', async () => {
    await newChat();
    const answer = await ask(page, 'one two three four five six seven eight nine ten');
    expect(answer.state).toBe('done');
    expect(answer.text).toContain('one two three four five six seven eight nine ten');
    expect(answer.servedBy.replaceAll(/\s+/g, ' ')).toMatch(
      /[a-z]+-[a-z]+ ?· ?echo ?· ?[\d.,]+ m?s ?· ?[\d.,]+k? tok\/s/,
    );
    await answer.article.getByRole('button', { name: /why/ }).click();
    await page.getByText('chosen', { exact: false }).first().waitFor();
    await page.keyboard.press('Escape');
  });

  it('WA2: Enter sends, Shift+Enter breaks the line', async () => {
    await newChat();
    const box = page.getByRole('textbox', { name: 'Message' });
    await box.fill('first');
    await box.press('Shift+Enter');
    await box.pressSequentially('second');
    expect(await box.inputValue()).toBe('first\nsecond');
    await box.press('Enter');
    await log().locator('article[data-role="assistant"][data-state="done"]').waitFor();
    expect(await box.inputValue()).toBe('');
  });

  it('WA3: Stop ends the answer, keeps what came, and frees the peer', async () => {
    await newChat('slow-echo');
    const box = page.getByRole('textbox', { name: 'Message' });
    await box.fill('word '.repeat(400));
    await page.getByRole('button', { name: 'Send' }).click();
    const article = log().locator('article[data-role="assistant"]');
    await article.getByText('word word').waitFor();
    expect(await article.getAttribute('data-state')).toBe('streaming');
    await page.getByRole('button', { name: 'Stop', exact: true }).click();
    await page.getByRole('button', { name: 'Send' }).waitFor();
    expect(await article.getAttribute('data-state')).toBe('done');
    expect(await article.textContent()).toContain('word word');
    await expect.poll(() => mesh.members[1]?.serving().activeJobs).toBe(0);
  });

  it('WA4: a conversation survives a reload, stands in the sidebar, and is found again', async () => {
    await newChat();
    const before = await storedMessages(page);
    await ask(page, 'Remember the purple giraffe');
    // The page writes behind; on a busy machine a reload can come first.
    await expect.poll(() => storedMessages(page), { timeout: 10_000 }).toBe(before + 2);
    await page.reload();
    await log().getByText('Remember the purple giraffe').first().waitFor();
    expect(await log().locator('article').count()).toBe(2);
    await page
      .getByRole('button', { name: 'New chat' })
      .or(page.getByRole('link', { name: 'New chat' }))
      .first()
      .click();
    await expect.poll(() => log().locator('article').count()).toBe(0);
    await page.getByRole('navigation').getByText('Remember the purple giraffe').first().click();
    await expect.poll(() => log().locator('article').count()).toBe(2);
  });

  it('WA5: Markdown is shown, and nothing in it runs or loads', async () => {
    await newChat();
    const requests: string[] = [];
    page.on('request', (request) => requests.push(request.url()));
    const answer = await ask(
      page,
      '**bold** [link](javascript:alert(1)) <img src="https://tracker.invalid/x.png" onerror="window.hacked=1"> <script>window.hacked=2</script>\n\n```js\nconst x = 1;\n```',
    );
    const content = answer.article;
    await content.locator('strong', { hasText: 'bold' }).waitFor();
    await content.locator('pre code').waitFor();
    expect(await content.locator('script, [onerror], a[href^="javascript"]').count()).toBe(0);
    expect(await page.evaluate(() => 'hacked' in window)).toBe(false);
    expect(requests.filter((url) => url.includes('tracker.invalid'))).toEqual([]);
  });

  it('UI60: an answer made to break the page leaves it whole, and the next one is drawn and coloured', async () => {
    await newChat();
    const hostile = await ask(
      page,
      `${'> '.repeat(3000)}\n\n${'*'.repeat(3000)}word${'*'.repeat(3000)}\n\n${'a_'.repeat(20_000)}`,
    );
    expect(hostile.state).toBe('done');
    expect(hostile.text).toContain('word');
    const { article } = await ask(page, '```js\nconst x = 1;\n```');
    await article.locator('pre code .hljs-keyword', { hasText: 'const' }).waitFor();
  });

  it('UI61: a long answer is drawn to its end', async () => {
    await newChat();
    const paragraph = `${`${'word'.repeat(45)} `.repeat(5)}\n\n`;
    const { article } = await ask(page, `${paragraph.repeat(40)}**The end.**`);
    await article.locator('strong', { hasText: 'The end.' }).waitFor();
    await page.reload();
    await log().locator('article[data-role="assistant"] strong', { hasText: 'The end.' }).waitFor();
  });

  it('WA6: no page complained', () => {
    expect(profile.complaints).toEqual([]);
  });
});

describe('every page', () => {
  const paths = ['/', '/contribute', '/settings'];

  for (const colorScheme of ['light', 'dark'] as const) {
    it.each(paths)(`WA7: %s has no accessibility violation in ${colorScheme}`, async (path) => {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.goto(entry.url + path);
      await page.getByRole('heading', { level: 1 }).first().waitFor({ state: 'attached' });
      await page.waitForLoadState('networkidle');
      const { violations } = await new AxeBuilder({ page }).analyze();
      expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`)).toEqual([]);
    });
  }

  it('WA7: a conversation has no accessibility violation', async () => {
    await newChat();
    await ask(page, 'Hello **there**\n\n```js\nlet a = 1;\n```');
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`)).toEqual([]);
  });

  it.each([...paths, 'conversation'])('WA8: %s does not scroll sideways on a phone', async (path) => {
    await page.setViewportSize({ width: 360, height: 740 });
    if (path === 'conversation') {
      await newChat();
      await ask(page, `A long word ${'x'.repeat(200)}\n\n\`\`\`\n${'long line '.repeat(40)}\n\`\`\``);
    } else {
      await page.goto(entry.url + path);
      await page.waitForLoadState('networkidle');
    }
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
    await page.setViewportSize({ width: 1280, height: 800 });
  });
});

it('WA9: without an entry the app says so, and shows what was said', async () => {
  const other = await startTestEntry();
  const member = startMember(other.url, createEchoEngine('echo', 2));
  await untilMesh(other.mesh, () => other.mesh.models().length === 1);
  await using guest = await openProfile();
  await openChat(guest.page, other.url);
  await ask(guest.page, 'before the storm');
  await other.close();
  await guest.page
    .getByText(/offline/i)
    .first()
    .waitFor();
  expect(await guest.page.getByRole('log').textContent()).toContain('before the storm');
  await member.close();
});
