/** Byte streams, and the transport beneath them, between a real page and Node. */
import { createIdentity, systemClock, systemRandom } from '@tabmesh/shared';
import { createNodeTransport } from '@tabmesh/shared/node';
import {
  createStreamHost,
  openTestLink,
  streamContract,
  type TestLink,
  transportContract,
} from '@tabmesh/shared/testing';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTabs } from '../bench/run/tabs.ts';
import type { StreamPage } from '../bench/tab-page/streams/main.ts';
import { root } from '../setup/command.ts';

/** Links redial when a connect is lost; this pair has to. */
const ATTEMPTS = 5;

let page: Page;
let node: TestLink | undefined;
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  const tabs = await startTabs({ root, onEnd: (close) => closers.push(close), progress() {} }, 'streams');
  page = await tabs.open();
  await page.waitForFunction(() => globalThis.streamPage !== undefined);
  await page.exposeFunction('sendSignal', (payload: string) => node?.link.signal(payload));
});

afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

function inPage<Name extends keyof StreamPage>(name: Name, ...args: Parameters<StreamPage[Name]>) {
  return page.evaluate(
    ({ called, values }) => {
      if (globalThis.streamPage === undefined) throw new Error('The page is gone.');
      return Reflect.apply(globalThis.streamPage[called], undefined, values) as Promise<void>;
    },
    { called: name, values: args },
  );
}

/** The end that dials is the near one; the other is the contract's host. */
async function openPair(pageDials: boolean): Promise<TestLink> {
  for (let attempt = 1; ; attempt += 1) {
    const [here, there] = [createIdentity(systemRandom).peerId, createIdentity(systemRandom).peerId];
    let opening: Promise<void> = Promise.resolve();
    const end = openTestLink({
      transport: createNodeTransport(),
      initiator: !pageDials,
      self: here,
      remote: there,
      clock: systemClock,
      signal: (payload) => void opening.then(() => inPage('signal', payload)),
      ...(pageDials ? createStreamHost() : {}),
    });
    node = end;
    opening = inPage('open', { initiator: pageDials, self: there, remote: here });
    try {
      await Promise.all([end.opened, opening.then(() => inPage('opened'))]);
      return end;
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

describe('a channel between two ends in a page', () => {
  for (const [index, { rule, title }] of transportContract.entries()) {
    it(`${rule}: ${title}`, async () => {
      await expect(inPage('transportCase', index)).resolves.toBeUndefined();
    });
  }
});

describe('byte streams of a page to Node', () => {
  for (const [index, { rule, title }] of streamContract.entries()) {
    it(`${rule}: ${title}`, async () => {
      await openPair(true);
      await expect(inPage('streamCase', index)).resolves.toBeUndefined();
      await inPage('close');
    });
  }
});

describe('byte streams of Node to a page', () => {
  for (const { rule, title, run } of streamContract) {
    it(`${rule}: ${title}`, async () => {
      const near = await openPair(false);
      await run({ link: near.link, heard: near.heard, settled: (promise) => promise });
      await near.link.close('done');
    });
  }
});
