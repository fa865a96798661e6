/**
 * The sequences of one llama.cpp context: parallel answers that are computed in common batches. Each keeps the tokens of
 * its last answer, so that the next turn of a conversation only evaluates what is new.
 */
import type { LlamaContextSequence, Token } from 'node-llama-cpp';

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
   */
  async take(prompt: Token[]): Promise<Lane> {
    for (;;) {
      const lane = this.#bestFree(prompt);
      if (lane !== undefined) {
        lane.busy = true;
        this.#uses += 1;
        lane.lastUse = this.#uses;
        return lane;
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
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
   * The lane with the longest common beginning, when that is at least half of what the lane holds (this conversation goes
   * on) or half of the prompt (most of the work is done). Otherwise the lane unused for longest: a few common tokens of a
   * system message are not worth another conversation's state.
   */
  #bestFree(prompt: Token[]): PooledLane | undefined {
    let best: PooledLane | undefined;
    let bestCommon = 0;
    let oldest: PooledLane | undefined;
    for (const lane of this.#lanes) {
      if (lane.busy) continue;
      const held = lane.sequence.nextTokenIndex;
      const common = held === 0 ? 0 : lane.sequence.compareContextTokens(prompt).firstDifferentIndex;
      if (common > bestCommon && common >= Math.min(held, prompt.length) / 2) {
        best = lane;
        bestCommon = common;
      }
      if (oldest === undefined || lane.lastUse < oldest.lastUse) oldest = lane;
    }
    return best ?? oldest;
  }
}
