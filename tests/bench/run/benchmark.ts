/**
 * What a benchmark is: it measures something of ours beside its rival in the same run, on the same machine, round by round
 * in turn, because the machine is shared and noisy. A slow figure is a result (`met: false`), never an error.
 */
import type { Children } from './children.ts';

export interface Benchmark {
  readonly name: string;
  /** One line for `--list`. */
  readonly describe: string;
  /** One that takes longer waits for something that never comes; ten minutes when absent. Not a judgement of its speed. */
  readonly limitMs?: number;
  run(context: BenchContext): Promise<Result[]>;
}

export interface BenchContext {
  readonly root: string;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  readonly children: Children;
  /** One progress line. */
  progress(text: string): void;
  /** Called when the benchmark has ended, well or not, in reverse order. */
  onEnd(close: () => unknown): void;
}

/** One line of the table and one entry of the JSON file. */
export interface Result {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What `rivalValue` was measured of; null when the target alone says enough. */
  readonly rival: string | null;
  readonly rivalValue: number | null;
  /** value ÷ rivalValue; where rounds were paired, the median of the rounds' own ratios, which noise moves less. */
  readonly ratio: number | null;
  readonly target: string | null;
  readonly met: boolean | null;
}

export interface Measured {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly rival?: { readonly name: string; readonly value: number };
  /** Absent: value ÷ rival's value. */
  readonly ratio?: number;
  readonly target?: Target | undefined;
}

/** A bound of the value or of its ratio to the rival's. */
export interface Target {
  readonly of: 'value' | 'ratio';
  readonly bound: 'at least' | 'at most';
  readonly limit: number;
}

export function toResult({ name, value, unit, rival, target, ...measured }: Measured): Result {
  const ratio = rival === undefined || rival.value === 0 ? null : (measured.ratio ?? value / rival.value);
  return {
    name,
    value,
    unit,
    rival: rival?.name ?? null,
    rivalValue: rival?.value ?? null,
    ratio,
    target: target === undefined ? null : textOf(target, unit),
    met: target === undefined ? null : isMet(target, target.of === 'value' ? value : ratio),
  };
}

function textOf({ of, bound, limit }: Target, unit: string): string {
  return `${bound === 'at least' ? '≥' : '≤'} ${of === 'ratio' ? `${limit * 100} %` : `${limit} ${unit}`}`;
}

function isMet({ bound, limit }: Target, figure: number | null): boolean {
  if (figure === null || Number.isNaN(figure)) return false;
  return bound === 'at least' ? figure >= limit : figure <= limit;
}
