/**
 * What happens to answers when the tab that gives them goes, freezes or pauses: real tabs with a real model over real
 * links. Lenders hold their answers back in the middle, so that the story does not depend on how fast they are.
 */
import AxeBuilder from '@axe-core/playwright';
import type { Entry } from '@tabmesh/signaling';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, openChat, startLending } from '../setup/chat-page.ts';
import { openProfile, type Profile } from '../setup/profile.ts';
import { startTestEntry, untilMesh } from '../setup/test-mesh.ts';

const QUESTION = 'Who can read what I write here?';

let entry: Entry;
beforeAll(async () => {
  entry = await startTestEntry();
});
afterAll(() => entry?.close());

const until = (condition: () => boolean) => untilMesh(entry.mesh, condition);
const serving = () => entry.mesh.peers().filter(({ announcement }) => announcement.models.length > 0);

declare global {
  interface Window {
    /** Pieces that the engine of this page gives of each answer. */
    mostPieces: number;
    isHeld: boolean;
    workers: Worker[];
    battery: EventTarget & { charging: boolean };
  }
}

/** From some piece on each of the engine's answers stands still, as those of an engine that has become very slow. */
function holdAnswers(): void {
  const { read } = ReadableStreamDefaultReader.prototype;
  const given = new WeakMap<object, number>();
  window.mostPieces = Number.POSITIVE_INFINITY;
  window.isHeld = false;
  ReadableStreamDefaultReader.prototype.read = async function held() {
    const before = given.get(this) ?? 0;
    given.set(this, before + 1);
    while (before >= window.mostPieces) {
      window.isHeld = true;
      await new Promise((go) => window.addEventListener('go', go, { once: true }));
    }
    return read.call(this);
  };
}

/** So that a test can report them as broken, as the browser does when one throws. */
function rememberWorkers(): void {
  const Native = window.Worker;
  window.workers = [];
  window.Worker = class extends Native {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      super(...args);
      window.workers.push(this);
    }
  };
}

/** Whatever temperature the page asks for, the peers are asked for 0, so that answers can be compared. */
function askGreedily(): void {
  const { send } = RTCDataChannel.prototype;
  RTCDataChannel.prototype.send = function greedy(data: never) {
    const text = new TextDecoder().decode(data);
    const asked = text.replace(/"temperature":[\d.]+/, '"temperature":0');
    send.call(this, asked === text ? data : new TextEncoder().encode(asked));
  };
}

/** A device whose plug the test pulls. */
function mockBattery(): void {
  window.battery = Object.assign(new EventTarget(), { charging: true });
  Object.assign(navigator, { getBattery: () => Promise.resolve(window.battery) });
}

const setCharging = (page: Page, charging: boolean) =>
  page.evaluate((isCharging) => {
    window.battery.charging = isCharging;
    window.battery.dispatchEvent(new Event('chargingchange'));
  }, charging);

const letThrough = (page: Page, pieces: number) =>
  page.evaluate((most) => {
    window.mostPieces = most;
    window.isHeld = false;
    window.dispatchEvent(new Event('go'));
  }, pieces);

interface Lender extends AsyncDisposable {
  page: Page;
  /** Of the peer that the page is. */
  name: string;
  readonly complaints: readonly string[];
  /** After its page was closed. */
  reopen(): Promise<void>;
}

async function lendingTab(): Promise<Lender> {
  const profile = await openProfile();
  const { context, complaints } = profile;
  await context.addInitScript(holdAnswers);
  await context.addInitScript(mockBattery);
  await context.addInitScript(rememberWorkers);
  const lend = async (page: Page) => {
    const others = serving().map(({ name }) => name);
    const newcomer = () => serving().find(({ name }) => !others.includes(name))?.name;
    await startLending(page, entry.url, /mesh-tiny/);
    await until(() => newcomer() !== undefined);
    return { page, name: newcomer() ?? '' };
  };
  // The browser ends with its last page.
  await context.newPage();
  const lender: Lender = {
    ...(await lend(profile.page)),
    complaints,
    async reopen() {
      Object.assign(lender, await lend(await context.newPage()));
    },
    [Symbol.asyncDispose]: () => profile[Symbol.asyncDispose](),
  };
  return lender;
}

async function send(page: Page): Promise<Answer['article']> {
  await page.getByRole('button', { name: 'New chat' }).click();
  const box = page.getByRole('textbox', { name: 'Message' });
  await box.fill(QUESTION);
  await box.press('Enter');
  return page.getByRole('log').locator('article[data-role="assistant"]');
}

async function settled(article: Answer['article']) {
  await article.and(article.page().locator(':not([data-state="streaming"])')).waitFor();
  return {
    state: await article.getAttribute('data-state'),
    text: ((await article.locator('.markdown').textContent()) ?? '').trim(),
    servedBy: await nameOfServer(article),
    handover: article.getByTestId('handover'),
  };
}

async function violations(page: Page): Promise<string[]> {
  const { violations: found } = await new AxeBuilder({ page }).analyze();
  return found.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`);
}

/** Returns what the page says then, which may be there for a moment only. */
const breakWorkers = (page: Page) =>
  page.evaluate(() => {
    const said = new Promise<string>((resolve) => {
      const look = () => {
        const text = document.querySelector('[role="status"]')?.textContent ?? '';
        if (text.includes('Starting mesh-tiny')) resolve(text);
      };
      new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });
    });
    for (const worker of window.workers) worker.dispatchEvent(new ErrorEvent('error', { message: 'out of bounds' }));
    return said;
  });

/** Asks, and waits until the tab that answers is stuck in the middle; the other one would give all of it. */
async function stuckAnswer(chatter: Profile, lenders: readonly Lender[], pieces: number) {
  for (const { page } of lenders) await letThrough(page, pieces);
  const article = await send(chatter.page);
  await article.locator('.markdown').getByText(/\S/).first().waitFor();
  const servedBy = await nameOfServer(article);
  const stuck = lenders.find(({ name }) => name === servedBy);
  if (stuck === undefined) throw new Error(`${servedBy} is none of the tabs.`);
  await stuck.page.waitForFunction(() => window.isHeld);
  for (const { page } of lenders.filter((lender) => lender !== stuck)) {
    await letThrough(page, Number.POSITIVE_INFINITY);
  }
  return { article, stuck };
}

async function nameOfServer(article: Answer['article']): Promise<string> {
  const line = (await article.getByTestId('served-by').textContent()) ?? '';
  return line.split('·')[0]?.trim() ?? '';
}

describe('an answer', () => {
  let chatter: Profile;
  let lenders: [Lender, Lender];
  /** What a tab answers when nothing happens to it. */
  let undisturbed: string;

  beforeAll(async () => {
    lenders = [await lendingTab(), await lendingTab()];
    await until(() => serving().length === 2);
    chatter = await openProfile();
    await chatter.context.addInitScript(askGreedily);
    await openChat(chatter.page, entry.url);
    await chatter.page.getByRole('combobox', { name: 'Model' }).selectOption('mesh-tiny');
    const whole = await settled(await send(chatter.page));
    expect(whole.state).toBe('done');
    expect(await whole.handover.count()).toBe(0);
    undisturbed = whole.text;
  });

  afterAll(async () => {
    for (const profile of [chatter, ...(lenders ?? [])]) await profile?.[Symbol.asyncDispose]();
  });

  async function finishedElsewhere({ article, stuck }: Awaited<ReturnType<typeof stuckAnswer>>): Promise<void> {
    const other = lenders.find((lender) => lender !== stuck);
    const answer = await settled(article);
    expect(answer).toMatchObject({ state: 'done', text: undisturbed, servedBy: other?.name });
    expect(await answer.handover.textContent()).toBe(`Begun by ${stuck.name}, finished by ${other?.name}`);
    expect(chatter.complaints).toEqual([]);
  }

  it.each([1, 2, 9, 20])(
    'LC13: whose tab closes after %i pieces is finished by another tab, word for word the undisturbed one',
    async (pieces) => {
      const answer = await stuckAnswer(chatter, lenders, pieces);
      await answer.stuck.page.close();
      await finishedElsewhere(answer);
      await answer.stuck.reopen();
    },
  );

  it('LC13: whose tab the browser freezes is finished by another tab, and the tab comes back by itself', async () => {
    const answer = await stuckAnswer(chatter, lenders, 4);
    await answer.stuck.page.evaluate(() => document.dispatchEvent(new Event('freeze')));
    await finishedElsewhere(answer);
    await until(() => serving().length === 1);
    await letThrough(answer.stuck.page, Number.POSITIVE_INFINITY);
    await answer.stuck.page.evaluate(() => document.dispatchEvent(new Event('resume')));
    await until(() => serving().length === 2);
    await answer.stuck.page.getByText('Serving mesh-tiny').waitFor();
  });

  it('LC9: whose engine breaks is finished by another tab, and the engine is started again', async () => {
    const answer = await stuckAnswer(chatter, lenders, 4);
    const { page } = answer.stuck;
    expect(await breakWorkers(page)).toContain('The engine failed: its worker broke: out of bounds.');
    await letThrough(page, Number.POSITIVE_INFINITY);
    await finishedElsewhere(answer);
    await page.getByText('Serving mesh-tiny').waitFor();
    await until(() => serving().length === 2);
  });

  it('LC13: whose tab pauses on battery is finished by another tab when its grace is over', async () => {
    for (const { page } of lenders) await page.getByRole('checkbox', { name: 'Pause on battery' }).check();
    const answer = await stuckAnswer(chatter, lenders, 4);
    await setCharging(answer.stuck.page, false);
    await answer.stuck.page.getByText('1 answer may end here').waitFor();
    await until(() => serving().length === 1);
    await finishedElsewhere(answer);
    await answer.stuck.page.getByText("Nobody's answer runs here now.").waitFor();
    await letThrough(answer.stuck.page, Number.POSITIVE_INFINITY);
    await setCharging(answer.stuck.page, true);
    await until(() => serving().length === 2);
  });
});

describe('a tab that pauses', () => {
  let lender: Lender;
  beforeAll(async () => {
    lender = await lendingTab();
  });
  afterAll(() => lender?.[Symbol.asyncDispose]());

  it('LC14: says what it waits for, resumes on the button, and keeps the switch over a reload', async () => {
    const { page } = lender;
    const onBattery = page.getByRole('checkbox', { name: 'Pause on battery' });
    const paused = page.getByText('Paused: on battery.');
    await onBattery.check();
    await setCharging(page, false);
    await paused.waitFor();
    await page.getByText('Resumes when plugged in.').waitFor();
    await until(() => serving().length === 0);
    await page.getByRole('button', { name: 'Resume now' }).click();
    await page.getByText('Serving mesh-tiny').waitFor();
    await until(() => serving().length === 1);
    await page.reload();
    expect(await onBattery.isChecked()).toBe(true);
  });

  it.each(['light', 'dark'] as const)('LC15: has no accessibility violation in %s', async (colorScheme) => {
    const { page } = lender;
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await startLending(page, entry.url, /mesh-tiny/);
    await setCharging(page, false);
    await page.getByText('Paused: on battery.').waitFor();
    expect(await violations(page)).toEqual([]);
  });

  it('LC15: does not scroll sideways on a phone', async () => {
    const { page } = lender;
    await page.setViewportSize({ width: 360, height: 740 });
    await page.getByText('Paused: on battery.').waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
    expect(lender.complaints).toEqual([]);
  });
});
