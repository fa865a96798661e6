/**
 * How fast a device should run a model that it never ran. An answer's every token reads all weights once and multiplies with
 * each, so that its rate follows from two figures that a short run measures. How much of them an engine makes use of is
 * not known before: a usual share is assumed until rates were measured, and then those count, the ones of models of
 * about the same size most.
 */
import { SLA_TARGETS } from './sla-targets.ts';

/** What a short run measured of one device: a GPU, or the cores that an engine would use. */
export interface DeviceSpeed {
  readonly memoryBytesPerSecond: number;
  /** Of 32-bit floats; a multiplication with its addition is two. */
  readonly operationsPerSecond: number;
  /** What a token costs however small the model is: a GPU is handed hundreds of pieces of work for each. */
  readonly tokenOverheadMs: number;
}

/** What an engine reached on a device, and what the device itself would have allowed. */
export interface LearnedRate {
  readonly sizeBytes: number;
  readonly possibleTokensPerSecond: number;
  readonly measuredTokensPerSecond: number;
}

/** GPUs hand over some hundred pieces of work for a token, of some 10 µs each. */
export const GPU_TOKEN_OVERHEAD_MS = 4;
export const CPU_TOKEN_OVERHEAD_MS = 0.2;

/** Of the memory's rate: what llama.cpp and WebLLM reach where they do well. */
const USUAL_SHARE = 0.6;
/** The usual share counts as much as half a measured rate. */
const USUAL_WEIGHT = 0.5;
/** A multiplication and an addition for each weight of 4.5 bits, the most usual size. */
const OPERATIONS_PER_BYTE = 2 / (4.5 / 8);
/** What lies outside is a mistake of the short run, not a share. */
const LEAST_SHARE = 0.02;
const MOST_SHARE = 4;

/** If an engine made use of all that the device has. */
export function possibleTokensPerSecond(sizeBytes: number, speed: DeviceSpeed): number {
  const readingMs = (sizeBytes / speed.memoryBytesPerSecond) * 1000;
  const computingMs = ((sizeBytes * OPERATIONS_PER_BYTE) / speed.operationsPerSecond) * 1000;
  return 1000 / (Math.max(readingMs, computingMs) + speed.tokenOverheadMs);
}

/** @param sizeBytes of the weights that each token reads: those of the whole file. */
export function expectedTokensPerSecond(
  sizeBytes: number,
  speed: DeviceSpeed,
  learned: readonly LearnedRate[] = [],
): number {
  return possibleTokensPerSecond(sizeBytes, speed) * usedShare(sizeBytes, learned);
}

/** The mean of the usual share and the learned ones, by their ratios; a model ten times as large tells little. */
export function usedShare(sizeBytes: number, learned: readonly LearnedRate[]): number {
  let weights = USUAL_WEIGHT;
  let sum = USUAL_WEIGHT * Math.log(USUAL_SHARE);
  for (const { sizeBytes: otherBytes, possibleTokensPerSecond, measuredTokensPerSecond } of learned) {
    const share = measuredTokensPerSecond / possibleTokensPerSecond;
    if (!(share > LEAST_SHARE && share < MOST_SHARE)) continue;
    const weight = 1 / (1 + Math.abs(Math.log2(sizeBytes / otherBytes)));
    weights += weight;
    sum += weight * Math.log(share);
  }
  return Math.exp(sum / weights);
}

/** Whether a model of that rate would answer at the speed of a chat. */
export function isChatSpeed(tokensPerSecond: number): boolean {
  return tokensPerSecond >= (SLA_TARGETS['daily-driver']?.tokensPerSecond ?? 0);
}

export interface RatedModel {
  readonly sizeBytes: number;
  readonly tokensPerSecond: number;
  /** Daily drivers go before others of the same speed: they are what people talk to. */
  readonly isDailyDriver: boolean;
}

/** The largest model that answers at the speed of a chat: a daily driver, else any; undefined where none is fast enough. */
export function largestAtChatSpeed<Model extends RatedModel>(models: readonly Model[]): Model | undefined {
  const [best] = models
    .filter(({ tokensPerSecond }) => isChatSpeed(tokensPerSecond))
    .sort((a, b) => Number(b.isDailyDriver) - Number(a.isDailyDriver) || b.sizeBytes - a.sizeBytes);
  return best;
}
