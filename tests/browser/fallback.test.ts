/**
 * An outside provider behind the entry's gate, as a person meets it: named before anything leaves the mesh, and after. The
 * provider is a second HTTP server; the only peer is slower than its tier allows.
 */
import AxeBuilder from '@axe-core/playwright';
import type { Mesh } from '@tabmesh/shared';
import { accessSettings, type Entry, fallbackSettings } from '@tabmesh/signaling';
import type { Page } from 'playwright';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PROVIDER_KEY, type ProviderServer, startProvider } from '../../signaling/test/setup/provider-server.ts';
import { ask, openChat } from '../setup/chat-page.ts';
import { openProfile, type Profile } from '../setup/profile.ts';
import { createEchoEngine, startMember, startTestEntry, untilMesh } from '../setup/test-mesh.ts';

const SLOW_MS = 180;

let provider: ProviderServer;
let host: string;
let entry: Entry;
let members: Mesh[];
let profile: Profile;
let page: Page;

beforeAll(async () => {
  provider = await startProvider();
  host = new URL(provider.url).host;
  entry = await startEntryBefore(provider);
  members = [
    startMember(entry.url, createEchoEngine('Qwen3-8B', SLOW_MS)),
    startMember(entry.url, createEchoEngine('echo', 2)),
  ];
  await untilMesh(entry.mesh, () => entry.mesh.models().length === 2);
  profile = await openProfile();
  page = profile.page;
});

afterAll(async () => {
  await profile?.[Symbol.asyncDispose]();
  for (const member of members ?? []) await member.close();
  await entry?.close();
  await provider?.close();
});

beforeEach(async () => {
  provider.behaviour = 'answers';
  provider.requests.length = 0;
  await openChat(page, entry.url);
});

function startEntryBefore({ url }: ProviderServer): Promise<Entry> {
  const settings = fallbackSettings({ url, key: PROVIDER_KEY, models: 'Qwen3-8B=their/qwen', budget: 100 });
  return startTestEntry({
    // The page has none of them: its token is its way in.
    access: accessSettings({ keys: 'alice:alice-k9x8w7v6u5t4s3r2' }),
    fallback: settings && { settings, store: { load: async () => ({}), save: async () => {} } },
  });
}

const notice = () => page.getByTestId('outside-notice');
const meshOnly = () => page.getByRole('button', { name: 'Use the mesh only' });
/** The notice has stood there long enough: what is sent now goes by its word. */
const inForce = (target = page) => target.locator('textarea[aria-describedby="outside-notice"]').waitFor();
const answers = () => page.locator('[role="log"] article[data-role="assistant"]');
const plain = (text: string | null) => (text ?? '').replaceAll(/\s+/g, ' ').trim();

describe('before a question is sent', () => {
  it('OP2: a line above the message names who would answer and what it would see, and nothing has left', async () => {
    await inForce();
    expect(plain(await notice().getByRole('status').textContent())).toBe(
      `Nobody knows yet how fast Qwen3-8B is here: ${host}, an outside provider, would answer and see this conversation.`,
    );
    expect(provider.requests).toEqual([]);
  });

  it('OP1: there is no such line for a model that the mesh serves well enough, and none is asked', async () => {
    await meshOnly().waitFor();
    await page.getByRole('combobox', { name: 'Model' }).selectOption('echo');
    await meshOnly().waitFor({ state: 'detached' });
    const answer = await ask(page, 'for the mesh');
    expect(answer.servedBy).toMatch(/^\s*[a-z]+-[a-z]+\s/);
    expect(provider.requests).toEqual([]);
    await page.getByRole('combobox', { name: 'Model' }).selectOption('');
  });

  it.each(['light', 'dark'] as const)('OP12: with the line, no accessibility violation in %s', async (colorScheme) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await inForce();
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`)).toEqual([]);
  });

  it('OP12: with the line and an answer, a phone scrolls nothing sideways and has no violation', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await inForce();
    await ask(page, 'on a phone');
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`)).toEqual([]);
    await page.setViewportSize({ width: 1280, height: 800 });
  });
});

describe('a question under the line', () => {
  it('OP6: is answered from outside, which stands under the answer, and still does after a reload', async () => {
    await inForce();
    const answer = await ask(page, 'Who reads this?');
    expect(answer.state).toBe('done');
    expect(answer.text).toContain('Grüße from outside');
    const said = new RegExp(
      `^Answered by an outside provider \\(${host}\\) · it saw this conversation · Qwen3-8B · [\\d.]+ m?s · [\\d.]+k? tok/s$`,
    );
    expect(plain(answer.servedBy)).toMatch(said);
    expect(provider.requests.map(({ body }) => body.messages)).toEqual([
      [{ role: 'user', content: 'Who reads this?' }],
    ]);
    // The page writes behind: the other tab of the same browser shows what is stored.
    const other = await profile.context.newPage();
    await expect
      .poll(async () => {
        await other.goto(page.url());
        await other.getByRole('log').waitFor();
        return plain(await other.getByTestId('served-by').last().textContent());
      })
      .toMatch(said);
    await other.close();
    await page.reload();
    await answers().getByText('Grüße from outside').waitFor();
    expect(plain(await page.getByTestId('served-by').textContent())).toMatch(said);
  });

  it('OP7: is answered by the mesh when the provider fails, and says that it may have seen it', async () => {
    provider.behaviour = 'status-500';
    await inForce();
    const answer = await ask(page, 'still here');
    expect(answer.text).toContain('still here');
    expect(plain(answer.servedBy)).toMatch(
      new RegExp(`^[a-z]+-[a-z]+ · Qwen3-8B · .* an outside provider \\(${host}\\) was asked before and may have seen`),
    );
  });

  it('OP8: ends at the provider too when it is stopped, and keeps what came', async () => {
    provider.behaviour = 'hangs';
    await inForce();
    const box = page.getByRole('textbox', { name: 'Message' });
    await box.fill('for ever');
    await box.press('Enter');
    await answers().getByText('Grüße').waitFor();
    expect(await answers().getAttribute('data-state')).toBe('streaming');
    await page.getByRole('button', { name: 'Stop', exact: true }).click();
    await provider.abandoned;
    await answers().and(page.locator('[data-state="done"]')).waitFor();
    expect(await answers().textContent()).toContain('Grüße');
  });

  it('OP9: that breaks off says so, and Retry asks again', async () => {
    provider.behaviour = 'dies';
    await inForce();
    const answer = await ask(page, 'mind the gap');
    expect(answer.state).toBe('error');
    provider.behaviour = 'answers';
    await answer.article.getByRole('button', { name: 'Retry' }).click();
    await answers().getByText('Grüße from outside').waitFor();
    await answers().and(page.locator('[data-state="done"]')).waitFor();
  });

  it('OP9: that does not reach the entry says so, and what can be done', async () => {
    await page.route('**/api/chat', (route) => route.abort());
    await inForce();
    const answer = await ask(page, 'anybody there?');
    await page.unroute('**/api/chat');
    expect(answer.state).toBe('error');
    expect(answer.text).toContain('The entry could not be reached. Check the connection, then ask again.');
    expect(provider.requests).toEqual([]);
  });
});

describe('the choice', () => {
  it('OP4: Use the mesh only keeps questions in the mesh, also after a reload, until Settings says otherwise', async () => {
    await meshOnly().click();
    await notice().getByText('Only the mesh answers from now on').waitFor();
    const answer = await ask(page, 'one two three');
    expect(answer.text).toContain('one two three');
    expect(plain(answer.servedBy)).toMatch(/^[a-z]+-[a-z]+ · Qwen3-8B · .*why\?$/);
    await page.reload();
    await answers().getByText('one two three').waitFor();
    await ask(page, 'four five six');
    expect(provider.requests).toEqual([]);

    await page.goto(`${entry.url}/settings`);
    const setting = (name: string) =>
      page.getByRole('group', { name: 'Outside provider' }).getByRole('radio', { name });
    expect(await setting('Never').isChecked()).toBe(true);
    await setting('When no peer is fast enough').check();
    await openChat(page, entry.url);
    await inForce();
    // The answers of the mesh were measured meanwhile.
    expect(await notice().textContent()).toContain('No peer is fast enough for Qwen3-8B now');
  });

  it('OP4: it can be taken back where it was made', async () => {
    await meshOnly().click();
    await notice().getByRole('button', { name: 'Undo' }).click();
    await meshOnly().waitFor();
    await inForce();
  });
});

it('OP1: without the entry the line goes, because nobody could pass a question on', async () => {
  const other = await startEntryBefore(provider);
  const member = startMember(other.url, createEchoEngine('Qwen3-8B', 2));
  await untilMesh(other.mesh, () => other.mesh.models().length === 1);
  await using guest = await openProfile();
  await openChat(guest.page, other.url);
  await inForce(guest.page);
  await other.close();
  await guest.page
    .getByText(/offline/i)
    .first()
    .waitFor();
  await guest.page.getByTestId('outside-notice').waitFor({ state: 'detached' });
  await member.close();
});
