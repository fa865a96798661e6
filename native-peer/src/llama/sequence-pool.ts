/**
 * The sequences of one llama.cpp context: parallel answers that are computed in common batches. Each keeps the tokens of
 * its last answer, so that the next turn of a conversation only evaluates what is new.
 */
import type { LlamaContextSequence, Token } from 'node-llama-cpp';
import { COPY_SHARE, OWN_LANE_SHARE } from '../limits.ts';
import type { AnswerStop } from './answer-stop.ts';
import { canCopy } from './llama-internals.ts';

export interface Lane {
  readonly sequence: LlamaContextSequence;
  /** The native work that was started last; the lane is free again once it has settled. */
  work: Promise<unknown>;
}

interface PooledLane extends Lane {
  busy: boolean;
  lastUse: number;
}

export class SequencePool {
  readonly #lanes: readonly PooledLane[];
  #waiting: (() => void)[] = [];
  #uses = 0;

  constructor(sequences: readonly LlamaContextSequence[]) {
    this.#lanes = sequences.map((sequence) => ({ sequence, work: Promise.resolve(), busy: false, lastUse: 0 }));
  }

  /**
   * A free lane, the one that knows most of the prompt. Waits only for a lane whose cancelled answer is still in its last
   * batch; the caller never asks for more lanes than there are.
   * @throws MeshError `cancelled` when stopped while it waits: no lane is taken then.
   */
  async take(prompt: Token[], stop: AnswerStop): Promise<Lane> {
    for (;;) {
      const lane = this.#bestFree(prompt);
      if (lane !== undefined) {
        lane.busy = true;
        this.#uses += 1;
        lane.lastUse = this.#uses;
        return lane;
      }
      await stop.race(new Promise<void>((resolve) => this.#waiting.push(resolve)));
    }
  }

  /**
   * Another lane, running or not, that knows so much more of the prompt (a shared system message) that copying it pays.
   * To be used at once: a running lane may begin another prompt.
   */
  donorFor(
    lane: Lane,
    prompt: Token[],
  ): { readonly sequence: LlamaContextSequence; readonly common: number } | undefined {
    if (!canCopy(lane.sequence)) return undefined;
    let donor: Lane | undefined;
    let most = commonTokens(lane, prompt) + Math.ceil(lane.sequence.contextSize * COPY_SHARE);
    for (const other of this.#lanes) {
      // The last token is evaluated in any case.
      const common = other === lane ? 0 : Math.min(commonTokens(other, prompt), prompt.length - 1);
      if (common <= most) continue;
      donor = other;
      most = common;
    }
    return donor && { sequence: donor.sequence, common: most };
  }

  release(lane: Lane): void {
    const free = () => {
      for (const pooled of this.#lanes) if (pooled === lane) pooled.busy = false;
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const resume of waiting) resume();
    };
    lane.work.then(free, free);
  }

  /** Resolves when no native work runs any more. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#lanes.map((lane) => lane.work));
  }

  /**
   * The lane that this conversation was in: most of what it holds begins the prompt. Otherwise the lane unused for longest,
   * which gets what another one knows of the prompt (`donorFor`); where that can't be copied, a lane that knows half of
   * the prompt is taken instead.
   */
  #bestFree(prompt: Token[]): PooledLane | undefined {
    let best: PooledLane | undefined;
    let bestCommon = 0;
    let oldest: PooledLane | undefined;
    for (const lane of this.#lanes) {
      if (lane.busy) continue;
      const held = lane.sequence.nextTokenIndex;
      const common = commonTokens(lane, prompt);
      const worthIt = canCopy(lane.sequence)
        ? common >= held * OWN_LANE_SHARE
        : common >= Math.min(held, prompt.length) / 2;
      if (common > bestCommon && worthIt) {
        best = lane;
        bestCommon = common;
      }
      if (oldest === undefined || lane.lastUse < oldest.lastUse) oldest = lane;
    }
    return best ?? oldest;
  }
}

function commonTokens({ sequence }: Lane, prompt: Token[]): number {
  return sequence.nextTokenIndex === 0 ? 0 : sequence.compareContextTokens(prompt).firstDifferentIndex;
}
