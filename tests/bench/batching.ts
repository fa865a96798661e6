/**
 * What common batches give: eight answers at once against the same eight one after another, and against what llama.cpp's
 * binding does by itself. And what they take: how long running answers stand still while a long prompt is read.
 */
import { join } from 'node:path';
import type { Mesh, ModelId } from '@tabmesh/shared';
import type { BareLlamaCalls } from './peers/bare-llama-process.ts';
import { startBenchEntry } from './peers/bench-entry.ts';
import { whenLinked } from './peers/bench-mesh.ts';
import { type PrefillTimes, prefillPauses } from './peers/prefill-pauses.ts';
import type { ProviderCalls } from './peers/provider-process.ts';
import { storyPrompts } from './peers/timed-answers.ts';
import { megabytes, randomModel } from './random-model/random-model.ts';
import { type BenchContext, type Benchmark, type Result, type Target, toResult } from './run/benchmark.ts';
import { inTurn, median, medianOfPairs } from './run/statistics.ts';

const SLOTS = 8;
const LONG_TOKENS = 2_000;
const PREFILL_ROUNDS = 3;
/** A piece of 64 of 2,000 tokens is 3 %; it takes longer beside other answers and behind many tokens. */
const MOST_OF_PREFILL = 0.1;

interface Subject {
  readonly label: string;
  readonly file: string;
  readonly contextTokens: number;
  readonly maxTokens: number;
  readonly rounds: number;
  readonly leastGain: number | undefined;
}

interface Served {
  readonly mesh: Mesh;
  readonly model: ModelId;
}

export const benchmark: Benchmark = {
  name: 'batching',
  describe: `${SLOTS} answers at once from one native peer against one after another, and a long prompt beside running ones`,
  async run(context) {
    const tiny = join(context.root, 'shared/models/mesh-tiny.gguf');
    context.progress('writing a random model, unless the temporary directory has it');
    const file = randomModel(tiny);
    const label = `random ${megabytes(file)} MB`;
    const random = { label, file, contextTokens: LONG_TOKENS + 500, maxTokens: 32, rounds: 5, leastGain: 1.2 };
    const small = {
      label: 'mesh-tiny',
      file: tiny,
      contextTokens: 512,
      maxTokens: 64,
      rounds: 15,
      leastGain: undefined,
    };
    return [
      ...(await measure(context, random, (served) => besideLongPrompts(context, served))),
      ...(await measure(context, small, () => Promise.resolve([]))),
    ];
  },
};

async function measure(
  context: BenchContext,
  subject: Subject,
  more: (served: Served) => Promise<Result[]>,
): Promise<Result[]> {
  const { children, progress, signal, onEnd } = context;
  const { label, file, contextTokens } = subject;
  const entry = await startBenchEntry();
  onEnd(() => entry.close());
  progress(`${label}: loading`);
  const provider = await children.start<ProviderCalls>(new URL('./peers/provider-process.ts', import.meta.url));
  const serving = await provider.call('serve', { url: entry.url, file, slots: SLOTS, contextTokens });
  await whenLinked(entry.mesh, serving, signal);
  const served = { mesh: entry.mesh, model: serving.model };
  // In this order: see `prefillPauses`.
  const pauses = await more(served);
  const results = [...(await jobsPerSecond(context, subject, served)), ...pauses];
  await provider.close();
  return results;
}

async function jobsPerSecond(context: BenchContext, subject: Subject, { mesh, model }: Served): Promise<Result[]> {
  const { children, progress, signal } = context;
  const { label, file, contextTokens, maxTokens, rounds, leastGain } = subject;
  const bare = await children.start<BareLlamaCalls>(new URL('./peers/bare-llama-process.ts', import.meta.url));
  await bare.call('load', { file, sequences: SLOTS, contextTokens });
  const prompts = storyPrompts(SLOTS);
  const one = (prompt: string) => countTokens({ mesh, model }, prompt, maxTokens, signal);
  const together = () => rateOf(() => Promise.all(prompts.map(one)));
  const compare = (rivals: () => Promise<number>) => inTurn({ rounds, warmUps: 1, signal, ours: together, rivals });
  progress(`${label}: ${SLOTS} answers, at once and one after another`);
  const queued = await compare(() =>
    rateOf(async () => {
      const counts: number[] = [];
      for (const prompt of prompts) counts.push(await one(prompt));
      return counts;
    }),
  );
  progress(`${label}: ${SLOTS} answers at once, and by node-llama-cpp itself`);
  const itself = await compare(async () => {
    const { tokens, tookMs } = await bare.call('answer', { prompts, maxTokens });
    return (tokens * 1000) / tookMs;
  });
  await bare.close();
  const figure = (name: string, rival: string, rates: typeof queued, least: number | undefined) =>
    toResult({
      name: `${SLOTS} answers of ${label} at once, ${name}`,
      value: median(rates.ours),
      unit: 'tok/s',
      rival: { name: rival, value: median(rates.rivals) },
      ratio: medianOfPairs(rates, (ours, rivals) => ours / rivals),
      target: least === undefined ? undefined : { of: 'ratio', bound: 'at least', limit: least },
    });
  return [
    figure('against a queue', 'one after another', queued, leastGain),
    figure("against llama.cpp's binding", "node-llama-cpp's own batches, no mesh", itself, undefined),
  ];
}

async function besideLongPrompts({ progress, signal }: BenchContext, { mesh, model }: Served): Promise<Result[]> {
  const rounds: PrefillTimes[] = [];
  for (let round = 0; round < PREFILL_ROUNDS; round += 1) {
    progress(`a long prompt beside 4 answers, ${round + 1} of ${PREFILL_ROUNDS}`);
    rounds.push(await prefillPauses(mesh, model, { round, longTokens: LONG_TOKENS }, signal));
  }
  const figure = (
    name: string,
    value: keyof PrefillTimes,
    rival: string,
    rivalValue: keyof PrefillTimes,
    most?: number,
  ) =>
    toResult({
      name,
      value: median(rounds.map((times) => times[value])),
      unit: 'ms',
      rival: { name: rival, value: median(rounds.map((times) => times[rivalValue])) },
      ratio: median(rounds.map((times) => times[value] / times[rivalValue])),
      target: most === undefined ? undefined : ({ of: 'ratio', bound: 'at most', limit: most } satisfies Target),
    });
  const tokens = median(rounds.map(({ promptTokens }) => promptTokens)).toLocaleString('en');
  const alone = 'that prompt, alone';
  return [
    figure(`longest pause of 4 answers beside a prompt of ${tokens}`, 'pauseMs', alone, 'aloneMs', MOST_OF_PREFILL),
    figure('longest pause of the 4 answers', 'pauseMs', 'without that prompt', 'calmPauseMs'),
    figure(`first token behind a prompt of ${tokens}, beside 4 answers`, 'besideMs', alone, 'aloneMs'),
    figure('first token of a short prompt beside it', 'shortMs', alone, 'aloneMs', MOST_OF_PREFILL),
    figure('first token of a short prompt beside it', 'shortMs', 'beside the 4 answers only', 'calmShortMs'),
    figure('the same, beside that prompt alone', 'shortBesideAloneMs', alone, 'aloneMs'),
  ];
}

async function rateOf(answers: () => Promise<readonly number[]>): Promise<number> {
  const startMs = performance.now();
  const counts = await answers();
  return (counts.reduce((sum, count) => sum + count, 0) * 1000) / (performance.now() - startMs);
}

async function countTokens({ mesh, model }: Served, content: string, maxTokens: number, signal: AbortSignal) {
  const request = { model, messages: [{ role: 'user' as const, content }], maxTokens, temperature: 0 };
  for await (const event of mesh.complete(request, signal)) {
    if (event.type === 'end') return event.usage.completionTokens;
  }
  throw new Error('The answer has no end.');
}
