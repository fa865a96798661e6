/**
 * How long a finished answer's sample takes into every roster of a mesh of fifty: from the end of the answer at the peer
 * that asked (over WebRTC) to the moment at which each member's roster shows it, signed, sent to the entry, passed on and
 * checked again. The rival is socket.io alone, which passes a text of the same size from one end to the others.
 */
import type { GossipEntryCalls } from './peers/gossip-entry-process.ts';
import type { GossipCalls } from './peers/gossip-process.ts';
import { type BenchContext, type Benchmark, toResult } from './run/benchmark.ts';
import type { Child } from './run/children.ts';
import { median, percentile } from './run/statistics.ts';

const MEMBERS = 50;
/** Beside the one that serves and the one that asks; so many processes as are bearable on two cores. */
const WATCHING_PROCESSES = 4;
const BLOCKS = 5;
const ANSWERS_PER_BLOCK = 20;
/**
 * Answers end at any moment of the provider's pause between two announcements. Longer pauses, because one machine checks
 * here what fifty would: each announcement costs it 49 signatures, more than a millisecond each.
 */
const LONGEST_PAUSE_MS = 500;
const TEXT_PAUSE_MS = 20;
/** Members renew their announcements every ten seconds, and peers that met by chance don't do so all at once. */
const JOINS_TAKE_MS = 10_000;
const MOST_MS = 1_000;

export const benchmark: Benchmark = {
  name: 'gossip',
  describe: `time until the sample of a finished answer is in every roster of ${MEMBERS} members`,
  async run(context) {
    const { progress, signal } = context;
    progress(`starting ${MEMBERS} members`);
    const mesh = await startMembers(context);
    const { provider, requester, listeners } = mesh;
    await requester.call('whenReady', mesh.serving);
    const text = signedText(await requester.call('announcementText', mesh.serving.peerId));

    // The answer that made the link gave the first sample.
    let samples = 1;
    const endsMs: number[] = [Number.NaN];
    const textMs: number[] = [];
    for (let block = 1; block <= BLOCKS; block += 1) {
      progress(`block ${block} of ${BLOCKS}: ${ANSWERS_PER_BLOCK} answers, ${ANSWERS_PER_BLOCK} texts`);
      for (let index = 0; index < ANSWERS_PER_BLOCK; index += 1) {
        signal.throwIfAborted();
        await pause(Math.random() * LONGEST_PAUSE_MS);
        endsMs.push(await requester.call('ask', mesh.serving.model));
      }
      samples += ANSWERS_PER_BLOCK;
      await Promise.all(listeners.map((listener) => listener.call('seen', samples)));
      textMs.push(...(await broadcast(provider, listeners, text)));
    }

    const seenMs = (await Promise.all(listeners.map((listener) => listener.call('seen', samples)))).flat();
    const delaysMs = seenMs.flatMap((member) =>
      member.slice(1, samples).map((atMs, job) => atMs - (endsMs[job + 1] ?? 0)),
    );
    const rival = (of: (times: readonly number[]) => number) => ({ name: 'plain socket.io', value: of(textMs) });
    const p99 = (times: readonly number[]) => percentile(times, 99);
    const longest = (times: readonly number[]) => Math.max(...times);
    return [
      toResult({ name: `p50 of ${delaysMs.length}`, value: median(delaysMs), unit: 'ms', rival: rival(median) }),
      toResult({
        name: `p99 (${samples - 1} answers × ${seenMs.length} rosters)`,
        value: p99(delaysMs),
        unit: 'ms',
        rival: rival(p99),
        target: { of: 'value', bound: 'at most', limit: MOST_MS },
      }),
      toResult({ name: 'longest', value: longest(delaysMs), unit: 'ms', rival: rival(longest) }),
    ];
  },
};

type Members = Child<GossipCalls>;

async function startMembers({ children }: BenchContext) {
  const process = new URL('./peers/gossip-process.ts', import.meta.url);
  const entry = await children.start<GossipEntryCalls>(new URL('./peers/gossip-entry-process.ts', import.meta.url));
  const { url, plainUrl } = await entry.call('start', { members: MEMBERS });
  const start = async (count: number): Promise<Members> => {
    const members = await children.start<GossipCalls>(process);
    await members.call('join', { url, count, everyMs: JOINS_TAKE_MS / count });
    await members.call('plainJoin', { url: plainUrl, count });
    return members;
  };
  const provider = await start(1);
  const requester = await start(1);
  const watching = Array.from({ length: WATCHING_PROCESSES }, async (_, index) => {
    await pause((index * JOINS_TAKE_MS) / MEMBERS);
    return start((MEMBERS - 2) / WATCHING_PROCESSES);
  });
  const listeners = [requester, ...(await Promise.all(watching))];
  const serving = await provider.call('serve', undefined);
  for (const listener of listeners) await listener.call('watch', serving.peerId);
  return { provider, requester, listeners, serving };
}

/** One text after the other from where the announcements come from; each arrival is a figure. */
async function broadcast(from: Members, listeners: readonly Members[], text: string): Promise<number[]> {
  const received = listeners.map((listener) => listener.call('plainReceived', ANSWERS_PER_BLOCK));
  const sentMs: number[] = [];
  for (let index = 0; index < ANSWERS_PER_BLOCK; index += 1) {
    await pause(TEXT_PAUSE_MS);
    sentMs.push(await from.call('plainSend', text));
  }
  const arrivals = (await Promise.all(received)).flat();
  return arrivals.flatMap((client) => client.map((atMs, index) => atMs - (sentMs[index] ?? 0)));
}

/** As long as a signed announcement in a roster delta. */
function signedText(announcement: string): string {
  const record = { body: announcement, signature: 'A'.repeat(86) };
  return JSON.stringify({ upserted: [record], removed: [] });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
