/**
 * What it costs to count answers for good: the ledger, which adds in memory and writes once a second, against one
 * transaction per answer into the same SQLite file. And how long a page with a week of figures waits for them.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { createIdentity, ModelId, type PeerId, silentLogger, systemClock, systemRandom } from '@tabmesh/shared';
import { type CountedAnswer, createLedger, type Ledger } from '../../signaling/src/ledger/ledger.ts';
import { HOUR_MS, type LedgerStorage } from '../../signaling/src/ledger/ledger-storage.ts';
import { bucketOf } from '../../signaling/src/ledger/log-histogram.ts';
import { metricsReport } from '../../signaling/src/ledger/metrics-report.ts';
import { openSqliteStorage } from '../../signaling/src/ledger/sqlite-storage.ts';
import { type Benchmark, toResult } from './run/benchmark.ts';
import { inTurn, median, medianOfPairs } from './run/statistics.ts';

const ROUNDS = 5;
const WARM_UPS = 1;
/** Longer than a second, so that every round has writing in it. */
const ROUND_MS = 2_500;
const RIVAL_ANSWERS = 500;
const PEERS = 60;
const MODELS = 4;
/** 60 peers in each hour of a week. */
const WEEK_HOURS = 168;
const BUCKETS = 30;

export const benchmark: Benchmark = {
  name: 'ledger',
  describe: 'counting answers into SQLite, and reading a week of them',
  async run({ signal, progress, onEnd }) {
    const folder = await mkdtemp(join(tmpdir(), 'tabmesh-bench-ledger-'));
    onEnd(() => rm(folder, { recursive: true, force: true }));
    const peers = Array.from({ length: PEERS }, () => createIdentity(systemRandom).peerId);
    const answers = manyAnswers(peers);

    progress('counting');
    const { ours, rivals } = await inTurn({
      rounds: ROUNDS,
      warmUps: WARM_UPS,
      signal,
      ours: (round) => countsPerSecond(join(folder, `ours-${round}.sqlite`), answers),
      rivals: (round) => transactionsPerSecond(join(folder, `rival-${round}.sqlite`), answers),
    });

    progress(`reading a week of ${PEERS * WEEK_HOURS} peer-hours`);
    const week = openSqliteStorage(join(folder, 'week.sqlite'));
    const nowMs = systemClock.wallMs();
    await fillWeek(week, peers, nowMs);
    const filled = openLedger(week);
    onEnd(() => filled.close());
    const readMs: number[] = [];
    for (let round = 0; round < 20; round += 1) {
      signal.throwIfAborted();
      const startedMs = performance.now();
      await metricsReport(filled, nowMs, { range: '7d' });
      readMs.push(performance.now() - startedMs);
    }

    return [
      toResult({
        name: 'answers counted, written included',
        value: median(ours),
        unit: '/s',
        rival: { name: 'a transaction per answer', value: median(rivals) },
        ratio: medianOfPairs({ ours, rivals }, (our, rival) => our / rival),
        target: { of: 'value', bound: 'at least', limit: 20_000 },
      }),
      toResult({
        name: `a week's report over ${PEERS * WEEK_HOURS} peer-hours`,
        value: median(readMs),
        unit: 'ms',
        target: { of: 'value', bound: 'at most', limit: 50 },
      }),
    ];
  },
};

function openLedger(storage: LedgerStorage): Ledger {
  const askedBy = createIdentity(systemRandom).peerId;
  return createLedger({ storage, askedBy, clock: systemClock, random: systemRandom, logger: silentLogger });
}

/** As requests come: a few per turn of the event loop, so that the timers get their turn. */
async function countsPerSecond(path: string, answers: readonly CountedAnswer[]): Promise<number> {
  const ledger = openLedger(openSqliteStorage(path));
  const startedMs = performance.now();
  let counted = 0;
  while (performance.now() - startedMs < ROUND_MS) {
    for (let index = 0; index < 50; index += 1) ledger.count(pick(answers, counted + index));
    counted += 50;
    await setImmediate();
  }
  await ledger.close();
  return (counted * 1000) / (performance.now() - startedMs);
}

/** The same rows, without waiting for others. */
async function transactionsPerSecond(path: string, answers: readonly CountedAnswer[]): Promise<number> {
  const storage = openSqliteStorage(path);
  const startMs = systemClock.wallMs() - (systemClock.wallMs() % HOUR_MS);
  const startedMs = performance.now();
  for (let index = 0; index < RIVAL_ANSWERS; index += 1) {
    const answer = pick(answers, index);
    if (answer.servedBy !== 'mesh') continue;
    const { model, peerId, completionTokens, ttftMs, tokensPerSecond } = answer;
    const row = { startMs, model, n: 1 };
    await storage.write({
      id: String(index),
      counts: [
        { ...row, kind: 'answers', detail: 'mesh' },
        { ...row, kind: 'tokens-served', detail: peerId, n: completionTokens },
        { ...row, kind: 'tokens-asked', detail: peerId, n: completionTokens },
        { ...row, kind: 'ttft', detail: bucketOf(ttftMs) },
        { ...row, kind: 'rate', detail: bucketOf(tokensPerSecond ?? 1) },
      ],
      milestones: [],
    });
  }
  await storage.close();
  return (RIVAL_ANSWERS * 1000) / (performance.now() - startedMs);
}

async function fillWeek(storage: LedgerStorage, peers: readonly PeerId[], nowMs: number): Promise<void> {
  const thisHourMs = nowMs - (nowMs % HOUR_MS);
  for (let hour = 0; hour < WEEK_HOURS; hour += 1) {
    const startMs = thisHourMs - hour * HOUR_MS;
    const counts = peers.flatMap((detail, place) => {
      const model = modelOf(place);
      return [
        { startMs, kind: 'tokens-served' as const, model, detail, n: 1_000 },
        { startMs, kind: 'tokens-asked' as const, model, detail, n: 1_000 },
      ];
    });
    const figures = Array.from({ length: MODELS }, (_, place) => modelOf(place)).flatMap((model) => [
      { startMs, kind: 'answers' as const, model, detail: 'mesh', n: 100 },
      ...Array.from({ length: BUCKETS }, (_, bucket) => [
        { startMs, kind: 'ttft' as const, model, detail: String(100 + bucket), n: 3 },
        { startMs, kind: 'rate' as const, model, detail: String(60 + bucket), n: 3 },
      ]).flat(),
    ]);
    await storage.write({ id: `hour-${hour}`, counts: [...counts, ...figures], milestones: [] });
  }
}

function manyAnswers(peers: readonly PeerId[]): CountedAnswer[] {
  return Array.from({ length: 4_096 }, (_, index) => ({
    servedBy: 'mesh' as const,
    model: modelOf(index),
    peerId: peers[index % peers.length] as PeerId,
    completionTokens: 50 + (index % 400),
    ttftMs: 50 + ((index * 37) % 3_000),
    tokensPerSecond: 2 + ((index * 17) % 90),
  }));
}

function modelOf(index: number): ModelId {
  return ModelId.parse(`model-${index % MODELS}`);
}

function pick(answers: readonly CountedAnswer[], index: number): CountedAnswer {
  return answers[index % answers.length] as CountedAnswer;
}
