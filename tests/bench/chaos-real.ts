/**
 * The chaos of `chaos.ts` with real processes, real tabs, a real model and a real entry: in each run one peer is left
 * alone, the others break at moments that follow from a seed, and at temperature 0 every answer must come as if nothing had happened.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Mesh, PeerId, Random } from '@tabmesh/shared';
import { createSeededRandom } from '@tabmesh/shared/testing';
import { hundredTokens, QUESTIONS, TOKENS } from '../setup/hundred-tokens.ts';
import { openTab, startProcess } from './peers/chaos-peers.ts';
import { type StartPeer, Victims } from './peers/chaos-victims.ts';
import { joinFromNode } from './peers/node-mesh.ts';
import { RestartingEntry } from './peers/restarting-entry.ts';
import { type BenchContext, type Benchmark, toResult } from './run/benchmark.ts';
import { median } from './run/statistics.ts';
import { buildPage, launchChromium } from './run/tabs.ts';

const RUNS = 50;
/** Three processes and two tabs. */
const PEERS = 5;
/** That must be there for a run to begin; the others are being replaced. */
const FEWEST = 3;
const TOKEN_INTERVAL_MS = 15;

const DISTURBANCES = {
  kill: 'SIGKILL, or the tab crashes',
  hang: 'SIGSTOP and SIGCONT, or the engine of the tab hangs',
  leave: 'SIGTERM, or the tab drains and closes',
  fail: 'the engine fails',
  restart: 'the entry closes and starts again',
} as const;
type Disturbance = keyof typeof DISTURBANCES;
const KINDS = Object.keys(DISTURBANCES) as Disturbance[];

export const benchmark: Benchmark = {
  name: 'chaos-real',
  describe: `${RUNS} seeded runs in which processes, tabs and the entry really break`,
  async run(context) {
    const stage = await setStage(context);
    const outcomes: Outcome[] = [];
    for (let seed = 1; seed <= RUNS; seed += 1) {
      context.signal.throwIfAborted();
      const outcome = await runOnce(stage, seed);
      outcomes.push(outcome);
      if (outcome.error !== undefined) context.progress(`seed ${seed} ended with: ${outcome.error}`);
      if (seed % 10 === 0) context.progress(`seed ${seed} of ${RUNS}`);
    }
    return figures(stage, outcomes);
  },
};

interface Stage {
  readonly asker: Mesh;
  readonly entry: RestartingEntry;
  readonly victims: Victims;
  /** Undisturbed answers, by question. */
  readonly expected: ReadonlyMap<string, string>;
  readonly disturbances: Record<Disturbance, number>;
  /** Who gave the last token. */
  serving: PeerId | undefined;
  readonly signal: AbortSignal;
}

async function setStage(context: BenchContext): Promise<Stage> {
  const { root, signal, onEnd, progress } = context;
  const webRoot = await buildPage(context, 'lender');
  const entry = await RestartingEntry.start({ webRoot, modelRoot: join(root, 'shared/models') });
  onEnd(() => entry.close());
  const browser = await launchChromium(root);
  onEnd(() => browser.close());
  const asker = joinFromNode(entry.url, 'tab');
  onEnd(() => asker.close());
  const process: StartPeer = async () => {
    await entry.up();
    return startProcess(context, entry.url, TOKEN_INTERVAL_MS);
  };
  const tab: StartPeer = async () => {
    await entry.up();
    return openTab(browser, entry.url, TOKEN_INTERVAL_MS);
  };
  progress('starting the peers');
  const victims = new Victims(asker, [process, process, process, tab, tab], signal);
  await victims.ready(PEERS, undefined, 0);
  const expected = new Map<string, string>();
  for (const question of QUESTIONS) {
    const { text, error } = await take(asker, question, signal);
    if (error !== undefined) throw error;
    expected.set(question, text);
  }
  const disturbances = { kill: 0, hang: 0, leave: 0, fail: 0, restart: 0 };
  return { asker, entry, victims, expected, disturbances, serving: undefined, signal };
}

interface Outcome {
  /** Whole and once, text and usage; of an answer that failed, as far as it came. */
  readonly isRight: boolean;
  readonly error: unknown;
  /** From the last token of one peer to the first of the next. */
  readonly gapsMs: readonly number[];
}

async function runOnce(stage: Stage, seed: number): Promise<Outcome> {
  const random = createSeededRandom(seed);
  // Who answered last is measured and will be asked again: left alone, it would leave nothing to see.
  await stage.victims.ready(FEWEST, stage.serving, random.float());
  const question = QUESTIONS[seed % QUESTIONS.length] ?? QUESTIONS[0];
  const expected = stage.expected.get(question) ?? '';
  const over = new AbortController();
  const disturbing = disturb(stage, random, over.signal);
  const { text, error, counted, gapsMs } = await take(stage.asker, question, stage.signal, (peerId) => {
    stage.serving = peerId;
  });
  over.abort();
  await disturbing;
  const isRight = error === undefined ? text === expected && counted === TOKENS : expected.startsWith(text);
  return { isRight, error, gapsMs };
}

async function take(asker: Mesh, question: string, signal: AbortSignal, onPeer: (peerId: PeerId) => void = () => {}) {
  const gapsMs: number[] = [];
  let text = '';
  let counted = 0;
  let lastMs = Number.NaN;
  let [serving, before]: (PeerId | undefined)[] = [];
  try {
    for await (const event of asker.complete(hundredTokens(question), signal)) {
      if (event.type === 'route') serving = event.peerId;
      if (event.type === 'end') counted = event.usage.completionTokens;
      if (event.type !== 'tokens' || serving === undefined) continue;
      const nowMs = performance.now();
      if (before !== undefined && before !== serving) gapsMs.push(nowMs - lastMs);
      if (before !== serving) onPeer(serving);
      [before, lastMs] = [serving, nowMs];
      text += event.text;
    }
    return { text, counted, gapsMs, error: undefined };
  } catch (error) {
    signal.throwIfAborted();
    return { text, counted, gapsMs, error };
  }
}

/** One thing after the other, mostly to whoever answers, until the answer is over. */
async function disturb(stage: Stage, random: Random, over: AbortSignal): Promise<void> {
  const { victims, disturbances } = stage;
  const between = (low: number, high: number) => low + random.float() * (high - low);
  for (;;) {
    await delay(between(100, 700), undefined, { signal: over }).catch(() => {});
    if (over.aborted) return;
    const kind = KINDS[Math.floor(random.float() * KINDS.length)] ?? 'restart';
    const lotMs = between(0, 1_000);
    if (kind === 'restart') await stage.entry.restart(lotMs);
    else {
      const victim = victims.touch(random.float() < 0.7 ? stage.serving : undefined, random.float());
      if (victim === undefined) continue;
      if (kind === 'kill' || kind === 'leave') victims.replace(victim);
      await victim[kind]();
      // Some wake before they count as lost, after two seconds, and some after that.
      if (kind === 'hang') void delay(500 + 4 * lotMs).then(() => victim.wake());
    }
    disturbances[kind] += 1;
  }
}

function figures({ disturbances }: Stage, outcomes: readonly Outcome[]) {
  const gapsMs = outcomes.flatMap((outcome) => outcome.gapsMs);
  const answers = (name: string, isOne: (outcome: Outcome) => boolean) => ({
    name,
    value: outcomes.filter(isOne).length,
    unit: 'answers',
  });
  const target = { of: 'value', bound: 'at most', limit: 0 } as const;
  return [
    toResult({ ...answers(`of ${RUNS}, with a character lost or repeated`, ({ isRight }) => !isRight), target }),
    toResult({ ...answers('ended with an error', ({ error }) => error !== undefined), target }),
    toResult(answers('over several peers', (outcome) => outcome.gapsMs.length > 0)),
    ...KINDS.map((kind) => toResult({ name: DISTURBANCES[kind], value: disturbances[kind], unit: 'times' })),
    toResult({ name: `gap between two peers, median of ${gapsMs.length}`, value: median(gapsMs), unit: 'ms' }),
    toResult({ name: 'gap between two peers, longest', value: Math.max(...gapsMs), unit: 'ms' }),
  ];
}
