/** A tab that was away is back by itself and answers: real tabs, stopped and cut off for a while. */
import { setTimeout } from 'node:timers/promises';
import type { Entry } from '@tabmesh/signaling';
import type { CDPSession } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, openChat, startLending } from '../setup/chat-page.ts';
import { openProfile } from '../setup/profile.ts';
import { startTestEntry, untilMesh } from '../setup/test-mesh.ts';

/** A lost connection is noticed within their sum, and not after six seconds as usual. */
const PINGS = { pingIntervalMs: 200, pingTimeoutMs: 300 };
/** As the fourteen seconds of a laptop's lid are to the usual pings. */
const STALL_MS = 1_500;

let entry: Entry;
beforeAll(async () => {
  entry = await startTestEntry({ hubLimits: PINGS });
});
afterAll(() => entry?.close());

const serving = () => entry.mesh.models().flatMap(({ peers }) => peers).length;
const until = (condition: () => boolean) => untilMesh(entry.mesh, condition);

/**
 * How a page is away, and goes on. (Chromium freezes no page that Playwright drives, since it keeps it visible; to the page
 * a freeze is what a paused script is: no task of it runs, and time goes on.)
 */
const ABSENCES: readonly {
  readonly how: string;
  readonly leave: (cdp: CDPSession) => Promise<unknown>;
  readonly goOn: (cdp: CDPSession) => Promise<unknown>;
}[] = [
  {
    how: 'that stood still, as one that is frozen or whose machine sleeps',
    async leave(cdp) {
      await cdp.send('Debugger.enable');
      await cdp.send('Debugger.pause');
    },
    async goOn(cdp) {
      await cdp.send('Debugger.resume');
      await cdp.send('Debugger.disable');
    },
  },
  {
    how: 'that lost its network',
    async leave(cdp) {
      await cdp.send('Network.enable');
      await network(cdp, true);
    },
    goOn: (cdp) => network(cdp, false),
  },
];

const network = (cdp: CDPSession, offline: boolean) =>
  cdp.send('Network.emulateNetworkConditions', { offline, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });

describe('a lending tab', { timeout: 60_000 }, () => {
  it.each(ABSENCES)('SG53: $how is back by itself and answers', async ({ leave, goOn }) => {
    await using lender = await openProfile();
    await using chatter = await openProfile();
    await until(() => serving() === 0);
    await startLending(lender.page, entry.url, /mesh-tiny/);
    await until(() => serving() === 1);
    const cdp = await lender.context.newCDPSession(lender.page);

    await leave(cdp);
    await until(() => serving() === 0);
    await setTimeout(STALL_MS);
    await goOn(cdp);

    await until(() => serving() === 1);
    await lender.page.getByText('Serving mesh-tiny').waitFor();
    await openChat(chatter.page, entry.url);
    expect((await ask(chatter.page, 'Who are you?')).state).toBe('done');
  });
});
