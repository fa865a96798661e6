/** The status page against a real entry: what it tells, and that it follows the mesh without being asked to. */
import AxeBuilder from '@axe-core/playwright';
import { ModelId } from '@tabmesh/shared';
import type { Entry } from '@tabmesh/signaling';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EchoMesh, openEchoMesh } from '../setup/echo-mesh.ts';
import type { Profile } from '../setup/profile.ts';
import { createEchoEngine, startMember } from '../setup/test-mesh.ts';

let mesh: EchoMesh;
let entry: Entry;
let profile: Profile;
let page: Page;

beforeAll(async () => {
  mesh = await openEchoMesh({ 'Qwen3-8B': 5, 'Qwen3-32B': 100 });
  ({ entry, profile } = mesh);
  page = profile.page;
  mesh.members[0]?.setBaseline(ModelId.parse('Qwen3-8B'), {
    ttftMs: 5,
    tokensPerSecond: 1_000,
    sampleCount: 3,
    ageMs: 0,
  });
  await page.goto(`${entry.url}/status`);
  await row('Qwen3-8B').waitFor();
});

afterAll(() => mesh?.[Symbol.asyncDispose]());

const row = (name: string) => page.getByRole('row').filter({ has: page.getByRole('rowheader', { name }) });
const headline = () => page.getByTestId('status-headline');

describe('the status page', () => {
  it('ST18: it counts peers and models, and says why a figure is missing', async () => {
    expect(await headline().textContent()).toMatch(/3 peers · 2 models.*— mesh efficiency.*not measured yet/s);
    expect(
      await row('Qwen3-8B')
        .getByRole('img', { name: /Not measured yet/ })
        .count(),
    ).toBe(3);
    expect(await row('Qwen3-8B').textContent()).toContain('1k tok/s');
  });

  it('ST19: Measure it yourself shows what this tab got, and the row of everybody follows', async () => {
    await row('Qwen3-8B').getByRole('button', { name: 'Measure Qwen3-8B yourself' }).click();
    const own = row('Qwen3-8B').getByTestId('own-measurement');
    await own.waitFor();
    expect((await own.textContent())?.replaceAll(/\s+/g, ' ')).toMatch(/[\d.]+ m?s · .* · [a-z]+-[a-z]+/);
    await row('Qwen3-8B').getByText('n 1').waitFor();
    expect(await row('Qwen3-8B').textContent()).toMatch(/\d %/);
    await headline().getByText('% mesh efficiency').waitFor();
  });

  it('ST20: the capacity tier is folded away behind what to expect of it', async () => {
    expect(await row('Qwen3-32B').count()).toBe(0);
    const toggle = page.getByRole('button', { name: /capacity tier/ });
    expect(await toggle.textContent()).toContain('expect 10–15 s to the first token and 1–2 tok/s');
    await toggle.click();
    await row('Qwen3-32B').waitFor();
  });

  it('ST21: who joins and who leaves shows without a reload, in the table and in the drawing', async () => {
    const guest = startMember(entry.url, createEchoEngine('guest-model', 5));
    await row('guest-model').waitFor();
    expect(await headline().textContent()).toContain('4 peers · 3 models');
    expect(await page.locator('svg circle.node').count()).toBe(4);
    await guest.close();
    await row('guest-model').waitFor({ state: 'detached' });
    await headline().getByText('3 peers · 2 models').waitFor();
    expect(await page.locator('svg circle.node').count()).toBe(3);
  });

  it('ST12: sidebar and palette lead to it', async () => {
    await page.goto(entry.url);
    await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Status' }).click();
    await headline().waitFor();
    expect(await page.title()).toContain('Status');
    await page.goto(entry.url);
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: 'Command or conversation' }).fill('status');
    await page.keyboard.press('Enter');
    await headline().waitFor();
  });

  it.each(['light', 'dark'] as const)('ST22: it has no accessibility violation in %s', async (colorScheme) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.goto(`${entry.url}/status`);
    await row('Qwen3-8B').waitFor();
    await page.getByRole('button', { name: /capacity tier/ }).click();
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`)).toEqual([]);
  });

  it('ST22: it does not scroll sideways on a phone, and has no accessibility violation there', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await row('Qwen3-8B').waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`)).toEqual([]);
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  it('ST18: it logged no error', () => {
    expect(profile.complaints).toEqual([]);
  });
});
