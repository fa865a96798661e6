/**
 * What a byte stream at full rate does to the messages of its link, and what of the bare data channel's rate it has left.
 */
import type { JSHandle } from 'playwright';
import type { LinkEnd } from './peers/link-end.ts';
import type { LinkCalls } from './peers/link-process.ts';
import { connectBoth } from './peers/linked-processes.ts';
import { type BenchContext, type Benchmark, type Result, type Target, toResult } from './run/benchmark.ts';
import { inTurn, median, medianOfPairs, percentile } from './run/statistics.ts';
import { startTabs } from './run/tabs.ts';

const ROUNDS = 15;
/** A token each ten milliseconds, for two seconds: what else the machine does meanwhile meets some rounds, not the median. */
const PACE = { count: 200, intervalMs: 10 };
const STREAM_BYTES = 32 * 1024 * 1024;
const FRAME_BYTES = 32 * 1024;
const MOST_DELAY: Target = { of: 'ratio', bound: 'at most', limit: 2 };

export const benchmark: Benchmark = {
  name: 'link-streams',
  describe: 'delay of tokens beside a byte stream at full rate on the same link, and the rate of the stream',
  async run(context) {
    const { signal, progress } = context;
    const { alice, bob, bobId } = await connectBoth(context);

    progress(`native to native: ${ROUNDS} rounds of ${PACE.count} tokens on an idle and on a busy link`);
    const native = await measureDelays(context, {
      async delaysMs() {
        await bob.call('takeDelaysMs', undefined);
        await alice.call('pacedRoundTripsMs', { to: bobId, ...PACE });
        return bob.call('takeDelaysMs', undefined);
      },
      start: () => alice.call('startBulk', bobId),
      stop: () => alice.call('stopBulk', undefined),
    });

    progress(`native to native: ${ROUNDS} rounds of ${STREAM_BYTES / 1024 / 1024} MiB`);
    const rates = await inTurn({
      rounds: ROUNDS,
      warmUps: 1,
      signal,
      ours: () => alice.call('streamBytesPerSecond', { to: bobId, bytes: STREAM_BYTES }),
      rivals: () => alice.call('bare-bytesPerSecond', { messages: STREAM_BYTES / FRAME_BYTES, bytes: FRAME_BYTES }),
    });
    return [
      ...delayResults('native to native, delay', native),
      toResult({
        name: 'native to native, stream alone',
        value: median(rates.ours) / 1e6,
        unit: 'MB/s',
        rival: { name: 'bare data channel', value: median(rates.rivals) / 1e6 },
        ratio: medianOfPairs(rates, (stream, bare) => stream / bare),
      }),
      ...(await withTab(context)),
    ];
  },
};

interface Delays {
  readonly ours: readonly { readonly delaysMs: number[]; readonly bytesPerSecond: number }[];
  readonly rivals: readonly number[][];
}

function measureDelays(
  { signal }: BenchContext,
  link: { delaysMs(): Promise<number[]>; start(): Promise<void>; stop(): Promise<number> },
): Promise<Delays> {
  return inTurn({
    rounds: ROUNDS,
    warmUps: 1,
    signal,
    async ours() {
      await link.start();
      const delaysMs = await link.delaysMs();
      return { delaysMs, bytesPerSecond: await link.stop() };
    },
    rivals: () => link.delaysMs(),
  });
}

function delayResults(name: string, { ours, rivals }: Delays): Result[] {
  const result = (percent: number, target?: Target) => {
    const of = (delaysMs: readonly number[]) => percentile(delaysMs, percent);
    const rounds = { ours: ours.map(({ delaysMs }) => of(delaysMs)), rivals: rivals.map(of) };
    return toResult({
      name: `${name} beside a stream, p${percent}`,
      value: median(rounds.ours),
      unit: 'ms',
      rival: { name: 'the idle link', value: median(rounds.rivals) },
      ratio: medianOfPairs(rounds, (busy, idle) => busy / idle),
      target,
    });
  };
  return [
    result(50),
    result(99, MOST_DELAY),
    toResult({
      name: `${name}: the stream meanwhile`,
      value: median(ours.map(({ bytesPerSecond }) => bytesPerSecond)) / 1e6,
      unit: 'MB/s',
    }),
  ];
}

/** A tab and a process have no clock in common: round trips, of tokens against the stream's direction and with it. */
async function withTab(context: BenchContext): Promise<Result[]> {
  const { children, progress } = context;
  const tabs = await startTabs(context, 'links');
  const native = await children.start<LinkCalls>(new URL('./peers/link-process.ts', import.meta.url));
  const nativeId = await native.call('join', tabs.entry.url);
  const page = await tabs.open();
  const tab: JSHandle<LinkEnd> = await page.evaluateHandle(() => window.links.join());
  const tabId = await tab.evaluate(({ peerId }) => peerId);
  await native.call('connect', tabId);
  progress(`native to tab: ${ROUNDS} rounds`);
  const toTab = await measureDelays(context, {
    delaysMs: () => native.call('pacedRoundTripsMs', { to: tabId, ...PACE }),
    start: () => native.call('startBulk', tabId),
    stop: () => native.call('stopBulk', undefined),
  });
  progress(`tab to native: ${ROUNDS} rounds`);
  const toNative = await measureDelays(context, {
    delaysMs: () => tab.evaluate((end, options) => end.pacedRoundTripsMs(options), { to: nativeId, ...PACE }),
    start: () => tab.evaluate((end, to) => end.startBulk(to), nativeId),
    stop: () => tab.evaluate((end) => end.stopBulk()),
  });
  return [...delayResults('native to tab, round trip', toTab), ...delayResults('tab to native, round trip', toNative)];
}
