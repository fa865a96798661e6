/** A half-written answer outlives the tab that gives it: real engines in real tabs, asked over real WebRTC. */
import type { PeerId } from '@tabmesh/shared';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTabs, type Tabs } from '../bench/run/tabs.ts';
import type {} from '../bench/tab-page/lender/main.ts';
import { root } from '../setup/command.ts';
import { type HundredTokens, TOKENS, takeHundredTokens } from '../setup/hundred-tokens.ts';
import { untilMesh } from '../setup/test-mesh.ts';

const closers: (() => unknown)[] = [];
const lenders = new Map<PeerId, Page>();
let tabs: Tabs;
let whole: HundredTokens;

beforeAll(async () => {
  tabs = await startTabs({ root, onEnd: (close) => closers.push(close), progress() {} }, 'lender');
  await Promise.all([lend(), lend()]);
  await untilTwoServe();
  whole = await takeHundredTokens(tabs.entry.mesh);
  expect(whole).toMatchObject({ tokenCount: TOKENS, completionTokens: TOKENS, reason: 'length', handovers: [] });
});

afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

async function lend(): Promise<void> {
  const page = await tabs.open();
  const { peerId } = await page.evaluate(() => window.lender.lend({ slots: 2, tokenIntervalMs: 0 }));
  lenders.set(peerId, page);
}

function untilTwoServe(): Promise<void> {
  const { mesh } = tabs.entry;
  return untilMesh(mesh, () => mesh.models()[0]?.peers.length === 2 && mesh.peers().every(({ linked }) => linked));
}

async function breakAnswers(at: number, how: 'fails' | 'hangs'): Promise<void> {
  for (const page of lenders.values()) {
    await page.evaluate((breaks) => window.lender.breakAnswers(breaks), { at, how });
  }
}

describe('an answer of tabs', () => {
  it('FO18: is the undisturbed one after a failure at every one of its 100 tokens', { timeout: 600_000 }, async () => {
    for (let at = 1; at < TOKENS; at += 1) {
      await breakAnswers(at, 'fails');
      const answer = await takeHundredTokens(tabs.entry.mesh);
      expect(answer, `failed at token ${at}`).toEqual({ ...whole, handovers: [{ behind: at, to: 'same-class' }] });
    }
  });

  it.each([
    [1, 'crashes'],
    [25, 'closes'],
    [50, 'crashes'],
    [75, 'closes'],
    [99, 'crashes'],
  ] as const)('FO19: is the undisturbed one when its tab, at token %i, %s', async (at, how) => {
    await breakAnswers(at, 'hangs');
    let gone: Promise<void> | undefined;
    const answer = await takeHundredTokens(tabs.entry.mesh, (tokenCount, peerId) => {
      if (tokenCount === at) gone = end(peerId, how);
    });
    expect(answer).toEqual({ ...whole, handovers: [{ behind: at, to: 'same-class' }] });
    await gone;
    await lend();
    await untilTwoServe();
  });
});

async function end(peerId: PeerId, how: 'crashes' | 'closes'): Promise<void> {
  const page = lenders.get(peerId);
  lenders.delete(peerId);
  if (page === undefined) throw new Error('Nobody that is known here answers.');
  if (how === 'closes') await page.close();
  else {
    const crashed = page.waitForEvent('crash');
    const session = await page.context().newCDPSession(page);
    // It has no answer any more.
    session.send('Page.crash').catch(() => {});
    await crashed;
  }
  await page.context().close();
}
