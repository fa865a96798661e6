/**
 * How long a link takes when signaling is warm: from asking for it to a link that has shaken hands, over a real entry,
 * signed. The rival is simple-peer alone with its signals handed over in memory.
 */
import type { JSHandle } from 'playwright';
import type { LinkEnd } from './peers/link-end.ts';
import type { LinkCalls } from './peers/link-process.ts';
import { type BenchContext, type Benchmark, type Result, type Target, toResult } from './run/benchmark.ts';
import type { Child } from './run/children.ts';
import { inTurn, percentile } from './run/statistics.ts';
import { startTabs } from './run/tabs.ts';

const ROUNDS = 25;
const MOST_MS = 500;

/** One end, wherever it runs. */
type Dialler = Pick<LinkEnd, 'peerId' | 'connect' | 'hangUp' | 'noLinkLeft'>;

export const benchmark: Benchmark = {
  name: 'link-setup',
  describe: 'time to an open link over warm signaling: native to native, tab to native, native to tab',
  async run(context) {
    const { entry, open } = await startTabs(context, 'links');
    const process = new URL('./peers/link-process.ts', import.meta.url);
    const alice = await context.children.start<LinkCalls>(process);
    const bob = await joinChild(await context.children.start<LinkCalls>(process), entry.url);
    const carol = await joinChild(alice, entry.url);
    const page = await open();
    const tab = await joinTab(await page.evaluateHandle(() => window.links.join()));
    const bareNative = () => alice.call('bareConnectMs', undefined);
    const bareTab = () => page.evaluate(() => window.links.bareConnectMs());
    return [
      ...(await measure(context, { name: 'native to native', from: carol, to: bob, bare: bareNative })),
      ...(await measure(context, { name: 'tab to native', from: tab, to: bob, bare: bareTab, mostMs: MOST_MS })),
      ...(await measure(context, { name: 'native to tab', from: carol, to: tab, bare: bareTab, mostMs: MOST_MS })),
    ];
  },
};

async function measure(
  { signal, progress }: BenchContext,
  pair: { name: string; from: Dialler; to: Dialler; bare: () => Promise<number>; mostMs?: number },
): Promise<Result[]> {
  const { name, from, to } = pair;
  progress(`${name}: ${ROUNDS} links`);
  const { ours, rivals } = await inTurn({
    rounds: ROUNDS,
    warmUps: 2,
    signal,
    async ours() {
      const connectMs = await from.connect(to.peerId);

      await from.hangUp();

      await to.noLinkLeft();
      return connectMs;
    },
    rivals: pair.bare,
  });
  const result = (percent: number, target?: Target) =>
    toResult({
      name: `${name}, p${percent}`,
      value: percentile(ours, percent),
      unit: 'ms',
      rival: { name: 'bare simple-peer, both ends in one', value: percentile(rivals, percent) },
      target,
    });
  return [
    result(50, pair.mostMs === undefined ? undefined : { of: 'value', bound: 'at most', limit: pair.mostMs }),
    result(95),
  ];
}

async function joinChild(child: Child<LinkCalls>, url: string): Promise<Dialler> {
  return {
    peerId: await child.call('join', url),
    connect: (to) => child.call('connect', to),
    hangUp: () => child.call('hangUp', undefined),
    noLinkLeft: () => child.call('noLinkLeft', undefined),
  };
}

async function joinTab(end: JSHandle<LinkEnd>): Promise<Dialler> {
  return {
    peerId: await end.evaluate(({ peerId }) => peerId),
    connect: (to) => end.evaluate((tab, peer) => tab.connect(peer), to),
    hangUp: () => end.evaluate((tab) => tab.hangUp()),
    noLinkLeft: () => end.evaluate((tab) => tab.noLinkLeft()),
  };
}
