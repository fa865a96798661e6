/**
 * How long a reader waits when the process that answers is killed in mid-answer, and whether a character is lost then: where
 * another peer is linked, and where the only other one joined a second ago.
 */
import { type Mesh, type PeerId, systemClock } from '@tabmesh/shared';
import { createScriptedEngine, createSeededRandom } from '@tabmesh/shared/testing';
import { startBenchEntry } from './peers/bench-entry.ts';
import { type Serving, whenGone, whenLinked, whenListed } from './peers/bench-mesh.ts';
import { joinFromNode } from './peers/node-mesh.ts';
import type { PacedProviderCalls } from './peers/paced-provider-process.ts';
import { type BenchContext, type Benchmark, toResult } from './run/benchmark.ts';
import type { Child } from './run/children.ts';
import { percentile } from './run/statistics.ts';

const KILLS = 200;
/** Two must be there for an answer; the others are being replaced meanwhile. */
const PEERS = 4;
const FEWEST = 2;
const PACE = { tokens: 80, ttftMs: 5, tokenIntervalMs: 5 };
const MESSAGES = [{ role: 'user' as const, content: 'What happens to an answer whose peer is gone?' }];
/** Over the prefill of the peer that goes on. */
const MOST_GAP_MS = 100;
const NEWCOMERS = 20;
const NEWCOMER_MS = 1_000;
/** In the midst of it a peer joins. */
const LONG_ANSWER = { ...PACE, tokens: 500 };
const PACED_PROVIDER = new URL('./peers/paced-provider-process.ts', import.meta.url);
const MOST_NEWCOMER_GAP_MS = 250;

interface Peer {
  readonly serving: Serving;
  readonly process: Child<PacedProviderCalls>;
}

export const benchmark: Benchmark = {
  name: 'failover',
  describe: `${KILLS} answers whose process gets SIGKILL in the middle`,
  async run(context) {
    const { gapsMs, pausesMs, wrong } = await killInMidAnswer(context);
    const longestPause = percentile(pausesMs, 99);
    const newcomers = await killBesideNewcomers(context);
    const rival = { name: 'pause between two tokens, undisturbed, p99', value: longestPause };
    return [
      toResult({
        name: `gap at a SIGKILL, p99 of ${gapsMs.length}`,
        value: percentile(gapsMs, 99) - PACE.ttftMs,
        unit: 'ms',
        rival,
        target: { of: 'value', bound: 'at most', limit: MOST_GAP_MS },
      }),
      toResult({ name: 'gap at a SIGKILL, p50', value: percentile(gapsMs, 50) - PACE.ttftMs, unit: 'ms', rival }),
      toResult({ name: 'gap at a SIGKILL, longest', value: Math.max(...gapsMs) - PACE.ttftMs, unit: 'ms', rival }),
      toResult({
        name: `gap where the other peer joined a second ago, longest of ${newcomers.length}`,
        value: Math.max(...newcomers) - PACE.ttftMs,
        unit: 'ms',
        rival,
        target: { of: 'value', bound: 'at most', limit: MOST_NEWCOMER_GAP_MS },
      }),
      toResult({
        name: `answers of ${gapsMs.length} with a character lost or repeated`,
        value: wrong,
        unit: 'answers',
        target: { of: 'value', bound: 'at most', limit: 0 },
      }),
    ];
  },
};

async function killInMidAnswer(context: BenchContext) {
  const entry = await startBenchEntry();
  context.onEnd(() => entry.close());
  const asker = joinFromNode(entry.url, 'tab');
  context.onEnd(() => asker.close());
  const random = createSeededRandom(KILLS);
  const expected = await undisturbed();
  const peers = new Map<PeerId, Peer>();
  let coming: Promise<void>[] = [];
  const admit = async () => {
    const peer = await startPeer(context, entry.url);
    await whenLinked(asker, peer.serving, context.signal);
    peers.set(peer.serving.peerId, peer);
  };
  for (let index = 0; index < PEERS; index += 1) coming.push(admit());

  const gapsMs: number[] = [];
  const pausesMs: number[] = [];
  let wrong = 0;
  for (let kill = 1; kill <= KILLS; kill += 1) {
    context.signal.throwIfAborted();
    while (peers.size < FEWEST) await coming.shift();
    if (kill % 20 === 0) context.progress(`process ${kill} of ${KILLS} killed`);
    const killAt = 5 + Math.floor(random.float() * (PACE.tokens - 20));
    const answer = await askAndKill(
      asker,
      (tokens) => tokens >= killAt,
      (peerId) => void peers.get(peerId)?.process.kill(),
    );
    if (answer.text !== expected) wrong += 1;
    if (answer.gapMs !== undefined) gapsMs.push(answer.gapMs);
    pausesMs.push(...answer.pausesMs);
    peers.delete(answer.killed);
    await whenGone(asker, answer.killed, context.signal);
    coming = [...coming, admit()];
  }
  await Promise.all(coming);
  return { gapsMs, pausesMs, wrong };
}

/** The asker is a native peer: it keeps no links of its own accord. */
async function killBesideNewcomers(context: BenchContext): Promise<number[]> {
  const { children, signal } = context;
  const entry = await startBenchEntry();
  context.onEnd(() => entry.close());
  const asker = joinFromNode(entry.url, 'native');
  context.onEnd(() => asker.close());
  const gapsMs: number[] = [];
  for (let round = 1; round <= NEWCOMERS; round += 1) {
    signal.throwIfAborted();
    if (round % 5 === 0) context.progress(`newcomer ${round} of ${NEWCOMERS}`);
    const old = await startPeer(context, entry.url, LONG_ANSWER);
    await whenListed(asker, old.serving, signal);
    const newcomer = await children.start<PacedProviderCalls>(PACED_PROVIDER);
    let killAtMs = Number.POSITIVE_INFINITY;
    const joining = newcomer.call('serve', { url: entry.url, ...LONG_ANSWER }).then(async (serving) => {
      await whenListed(asker, serving, signal);
      killAtMs = performance.now() + NEWCOMER_MS;
      return serving;
    });
    const { gapMs } = await askAndKill(
      asker,
      () => performance.now() >= killAtMs,
      () => void old.process.kill(),
    );
    if (gapMs !== undefined) gapsMs.push(gapMs);
    const { peerId } = await joining;
    await newcomer.kill();
    await whenGone(asker, peerId, signal);
  }
  return gapsMs;
}

async function startPeer({ children }: BenchContext, url: string, pace = PACE): Promise<Peer> {
  const process = await children.start<PacedProviderCalls>(PACED_PROVIDER);
  return { process, serving: await process.call('serve', { url, ...pace }) };
}

/** Pauses are those between tokens of one peer, the gap is that from the last of the killed one to the first behind it. */
async function askAndKill(asker: Mesh, isTime: (tokens: number) => boolean, kill: (peerId: PeerId) => void) {
  const pausesMs: number[] = [];
  let [text, tokens, lastMs] = ['', 0, Number.NaN];
  let serving: PeerId | undefined;
  let killed: PeerId | undefined;
  let gapMs: number | undefined;
  for await (const event of asker.complete({ messages: MESSAGES, temperature: 0 }, new AbortController().signal)) {
    if (event.type === 'route') serving = event.peerId;
    if (event.type !== 'tokens' || serving === undefined) continue;
    const nowMs = performance.now();
    if (killed !== undefined && serving !== killed && gapMs === undefined) gapMs = nowMs - lastMs;
    else if (killed === undefined && tokens > 0) pausesMs.push(nowMs - lastMs);
    lastMs = nowMs;
    text += event.text;
    tokens += event.tokenCount;
    if (killed === undefined && isTime(tokens)) {
      killed = serving;
      kill(serving);
    }
  }
  if (killed === undefined) throw new Error('The answer ended before its peer was killed.');
  return { text, killed, gapMs, pausesMs };
}

async function undisturbed(): Promise<string> {
  const engine = createScriptedEngine({ clock: systemClock, scenario: 'steady', ...PACE });
  const request = { messages: MESSAGES, maxTokens: 1_000, temperature: 0, topP: 1, stop: [] };
  let text = '';
  for await (const event of engine.generate(request, new AbortController().signal)) {
    if (event.type === 'tokens') text += event.text;
  }
  return text;
}
