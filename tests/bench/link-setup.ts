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

/** A page takes longer to hang up than to link. */
const NATIVE_ROUNDS = 500;
const TAB_ROUNDS = 50;
const MOST_MS = 500;
/** By percentile. */
const NATIVE_MOST_MS = { 50: 40, 95: 120, 99: 300 };

const WITH_TAB = { rounds: TAB_ROUNDS, mostMs: { 50: MOST_MS } };

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
      ...(await measure(context, {
        name: 'native to native',
        from: carol,
        to: bob,
        bare: bareNative,
        rounds: NATIVE_ROUNDS,
        mostMs: NATIVE_MOST_MS,
      })),
      ...(await measure(context, { name: 'tab to native', from: tab, to: bob, bare: bareTab, ...WITH_TAB })),
      ...(await measure(context, { name: 'native to tab', from: carol, to: tab, bare: bareTab, ...WITH_TAB })),
    ];
  },
};

async function measure(
  { signal, progress }: BenchContext,
  pair: {
    name: string;
    from: Dialler;
    to: Dialler;
    bare: () => Promise<number>;
    rounds: number;
    mostMs: Partial<Record<number, number>>;
  },
): Promise<Result[]> {
  const { name, from, to, rounds, mostMs } = pair;
  progress(`${name}: ${rounds} links`);
  const { ours, rivals } = await inTurn({
    rounds,
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
  return [50, 95, 99].map((percent) => {
    const limit = mostMs[percent];
    const target: Target | undefined = limit === undefined ? undefined : { of: 'value', bound: 'at most', limit };
    return toResult({
      name: `${name}, p${percent} of ${rounds}`,
      value: percentile(ours, percent),
      unit: 'ms',
      rival: { name: 'bare simple-peer, both ends in one', value: percentile(rivals, percent) },
      target,
    });
  });
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
