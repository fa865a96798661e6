/** A person who stops, leaves or loses a page frees the slot that answers it, wherever the answer stands. */
import type { Mesh } from '@tabmesh/shared';
import type { Entry } from '@tabmesh/signaling';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHeldEngine, HELD_MODEL, type HeldEngine, MIDWAY, PREFILL } from '../native/held-cancel-engine.ts';
import { openChat } from '../setup/chat-page.ts';
import { openProfile, type Profile } from '../setup/profile.ts';
import { startMember, startTestEntry, untilMesh } from '../setup/test-mesh.ts';

let entry: Entry;
let engine: HeldEngine;
let member: Mesh;
let profile: Profile;

beforeAll(async () => {
  entry = await startTestEntry();
  engine = createHeldEngine(1);
  member = startMember(entry.url, engine);
  await untilMesh(entry.mesh, () => entry.mesh.models().length === 1);
  profile = await openProfile();
});

afterAll(async () => {
  await profile?.[Symbol.asyncDispose]();
  await member?.close();
  await entry?.close();
});

const untilActive = (jobs: number) => untilMesh(member, () => member.serving().activeJobs === jobs);
/** As the peer tells everyone. */
const untilQueued = (jobs: number) =>
  untilMesh(entry.mesh, () =>
    entry.mesh.peers().some(({ announcement }) => announcement.models.some(({ queued }) => queued === jobs)),
  );

async function send(question: string): Promise<Page> {
  const page = await profile.context.newPage();
  await openChat(page, entry.url);
  await page.getByRole('combobox', { name: 'Model' }).selectOption(HELD_MODEL);
  await page.getByRole('textbox', { name: 'Message' }).fill(question);
  await page.getByRole('button', { name: 'Send' }).click();
  return page;
}

/** A page with an answer that will not end, as far as the question says. */
async function ask(question: string): Promise<Page> {
  const page = await send(question);
  await untilActive(1);
  if (question === MIDWAY) await page.locator('article[data-role="assistant"]').getByText('Well').waitFor();
  return page;
}

const WAYS: readonly [string, (page: Page) => Promise<unknown>][] = [
  ['stops', (page) => page.getByRole('button', { name: 'Stop', exact: true }).click()],
  ['closes the page', (page) => page.close()],
  ['goes elsewhere', (page) => page.goto('about:blank')],
  ['reloads', (page) => page.reload()],
];

describe('a person', () => {
  it.each(WAYS)('WA30: who %s frees the slot, before the first token and behind it', async (_way, leave) => {
    for (const question of [PREFILL, MIDWAY]) {
      const page = await ask(question);
      await leave(page);
      await untilActive(0);
      expect(engine.running()).toBe(0);
      await page.close();
    }
  });

  it.each(WAYS)('WA30: who %s leaves the line', async (_way, leave) => {
    const before = await ask(PREFILL);
    const asked = engine.requests.length;
    const page = await send(PREFILL);
    await untilQueued(1);
    await leave(page);
    await untilQueued(0);
    expect(member.serving().activeJobs).toBe(1);
    await before.close();
    await untilActive(0);
    expect(engine.requests).toHaveLength(asked);
    await page.close();
  });

  it('WA30: whose page crashes frees the slot', async () => {
    const page = await ask(MIDWAY);
    const crashed = page.waitForEvent('crash');
    page.goto('chrome://crash').catch(() => {});
    await crashed;
    await untilActive(0);
    expect(engine.running()).toBe(0);
    await page.close();
  });
});
