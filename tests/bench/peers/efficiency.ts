/** What is left of an engine's speed when it is asked through the mesh: both ways in turn, compared round by round. */
import { type Result, toResult } from '../run/benchmark.ts';
import { inTurn, median, medianOfPairs } from '../run/statistics.ts';
import type { AnswerTimes, Workload } from './timed-answers.ts';
import { storyPrompts } from './timed-answers.ts';

export interface Comparison {
  /** Of the figures: what runs where. */
  readonly label: string;
  readonly rival: string;
  throughMesh(workload: Workload): Promise<AnswerTimes>;
  direct(workload: Workload): Promise<AnswerTimes>;
  readonly signal: AbortSignal;
}

/**
 * Many short ones: a round and its rival's should meet the same machine. On a busy one, 75 rounds of 24 tokens leave an
 * error of 1 % in the ratio, 25 of 64 tokens 3 %.
 */
const DECODE_ROUNDS = 25;
const TTFT_ROUNDS = 41;
const WARM_UPS = 2;

export async function decodeEfficiency(comparison: Comparison, workload: Workload, least: number): Promise<Result> {
  const rates = await compare(comparison, workload, workload.rounds ?? DECODE_ROUNDS, (times) => times.tokensPerSecond);
  return toResult({
    name: `decode of ${comparison.label}, ${workload.prompts.length} at a time`,
    value: median(rates.ours),
    unit: 'tok/s',
    rival: { name: comparison.rival, value: median(rates.rivals) },
    ratio: medianOfPairs(rates, (mesh, engine) => mesh / engine),
    target: { of: 'ratio', bound: 'at least', limit: least },
  });
}

/** The same prompt again and again: its prefix is cached, so the first token is as near as it gets. */
export async function ttftOverhead(comparison: Comparison, mostMs?: number): Promise<Result> {
  const workload = { prompts: storyPrompts(1), waves: 1, maxTokens: 2 };
  const ttft = await compare(comparison, workload, TTFT_ROUNDS, (times) => median(times.ttftMs));
  return toResult({
    name: `TTFT overhead with ${comparison.label}`,
    value: medianOfPairs(ttft, (mesh, engine) => mesh - engine),
    unit: 'ms',
    rival: { name: `whole TTFT of the ${comparison.rival}`, value: median(ttft.rivals) },
    target: mostMs === undefined ? undefined : { of: 'value', bound: 'at most', limit: mostMs },
  });
}

function compare(
  { throughMesh, direct, signal }: Comparison,
  workload: Workload,
  rounds: number,
  figure: (times: AnswerTimes) => number,
): Promise<{ ours: number[]; rivals: number[] }> {
  return inTurn({
    rounds,
    warmUps: WARM_UPS,
    signal,
    ours: async () => figure(await throughMesh(workload)),
    rivals: async () => figure(await direct(workload)),
  });
}
