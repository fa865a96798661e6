/**
 * What the mesh costs: the same engine asked over WebRTC from another process and called in its own, round by round in
 * turn. At a chat speed and at one that no chat needs, one answer at a time and four.
 */
import { join } from 'node:path';
import type { Mesh } from '@tabmesh/shared';
import { startBenchEntry, until } from './peers/member.ts';
import type { ProviderCalls, Serving } from './peers/provider-process.ts';
import { type AnswerTimes, timeAnswers, type Workload } from './peers/timed-answers.ts';
import { megabytes, randomModel } from './random-model/random-model.ts';
import { type BenchContext, type Benchmark, type Result, toResult } from './run/benchmark.ts';
import { inTurn, median, medianOfPairs } from './run/statistics.ts';

const SLOTS = 4;
const RIVAL = 'engine in its own process';
const DECODE_ROUNDS = 15;
const TTFT_ROUNDS = 41;
const MOST_TTFT_OVERHEAD_MS = 5;

interface Subject {
  readonly label: string;
  readonly file: string;
  readonly leastEfficiency: number;
  /** Per concurrency, about half a second each. */
  readonly decode: readonly Workload[];
}

export const benchmark: Benchmark = {
  name: 'mesh-efficiency',
  describe: 'decode rate and time to first token through the mesh, against the engine called in its own process',
  async run(context) {
    const results: Result[] = [];
    for (const subject of subjects(context)) results.push(...(await measure(context, subject)));
    return results;
  },
};

function subjects({ root, progress }: BenchContext): Subject[] {
  const tiny = join(root, 'shared/models/mesh-tiny.gguf');
  progress('writing a random model, unless the temporary directory has it');
  const random = randomModel(tiny);
  return [
    {
      label: `random ${megabytes(random)} MB`,
      file: random,
      leastEfficiency: 0.98,
      decode: [
        { prompts: prompts(1), waves: 1, maxTokens: 64 },
        { prompts: prompts(4), waves: 1, maxTokens: 32 },
      ],
    },
    {
      label: 'mesh-tiny',
      file: tiny,
      leastEfficiency: 0.85,
      // Its stories end after some 60 tokens.
      decode: [
        { prompts: prompts(1), waves: 10, maxTokens: 64 },
        { prompts: prompts(4), waves: 4, maxTokens: 64 },
      ],
    },
  ];
}

/** Different ones, so that each slot keeps a prefix of its own. */
function prompts(count: number): string[] {
  return ['fox', 'mouse', 'cat', 'bird'].slice(0, count).map((animal) => `Tell me a story about a ${animal}.`);
}

async function measure(context: BenchContext, subject: Subject): Promise<Result[]> {
  const { signal, progress, children } = context;
  const { label, file, leastEfficiency } = subject;
  const entry = await startBenchEntry();
  context.onEnd(() => entry.close());
  const provider = await children.start<ProviderCalls>(new URL('./peers/provider-process.ts', import.meta.url));
  progress(`${label}: loading`);
  const serving = await provider.call('serve', { url: entry.url, file, slots: SLOTS });
  await until(entry.mesh, signal, () => isLinked(entry.mesh, serving));
  const ours = (workload: Workload) => throughMesh(entry.mesh, serving, workload, signal);
  const rivals = (workload: Workload) => provider.call('direct', workload);

  const results: Result[] = [];
  for (const workload of subject.decode) {
    const atATime = workload.prompts.length;
    progress(`${label}: ${DECODE_ROUNDS} rounds of answers, ${atATime} at a time (${serving.backend})`);
    const rates = await pairs(
      { rounds: DECODE_ROUNDS, ours, rivals, workload, signal },
      (times) => times.tokensPerSecond,
    );
    results.push(
      toResult({
        name: `decode of ${label}, ${atATime} at a time`,
        value: median(rates.ours),
        unit: 'tok/s',
        rival: { name: RIVAL, value: median(rates.rivals) },
        ratio: medianOfPairs(rates, (mesh, engine) => mesh / engine),
        target: { of: 'ratio', bound: 'at least', limit: leastEfficiency },
      }),
    );
  }
  progress(`${label}: ${TTFT_ROUNDS} first tokens`);
  const workload = { prompts: prompts(1), waves: 1, maxTokens: 2 };
  const ttft = await pairs({ rounds: TTFT_ROUNDS, ours, rivals, workload, signal }, (times) => median(times.ttftMs));
  results.push(
    toResult({
      name: `TTFT overhead with ${label}`,
      value: medianOfPairs(ttft, (mesh, engine) => mesh - engine),
      unit: 'ms',
      rival: { name: `TTFT of the ${RIVAL}`, value: median(ttft.rivals) },
      target: { of: 'value', bound: 'at most', limit: MOST_TTFT_OVERHEAD_MS },
    }),
  );
  await provider.kill();
  return results;
}

function isLinked(mesh: Mesh, { peerId, model }: Serving): boolean {
  const peer = mesh.peers().find((one) => one.peerId === peerId);
  return peer?.linked === true && peer.announcement.models.some(({ id }) => id === model);
}

function throughMesh(mesh: Mesh, { model }: Serving, workload: Workload, signal: AbortSignal): Promise<AnswerTimes> {
  return timeAnswers(workload, (content, maxTokens) =>
    mesh.complete({ model, messages: [{ role: 'user', content }], maxTokens, temperature: 0 }, signal),
  );
}

async function pairs(
  options: {
    readonly rounds: number;
    readonly workload: Workload;
    readonly signal: AbortSignal;
    ours(workload: Workload): Promise<AnswerTimes>;
    rivals(workload: Workload): Promise<AnswerTimes>;
  },
  figure: (times: AnswerTimes) => number,
): Promise<{ ours: number[]; rivals: number[] }> {
  const { rounds, workload, signal } = options;
  return inTurn({
    rounds,
    warmUps: 2,
    signal,
    ours: async () => figure(await options.ours(workload)),
    rivals: async () => figure(await options.rivals(workload)),
  });
}
