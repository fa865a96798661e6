/** Figures for people: one decimal below ten, none above, and always with their unit. */

export function formatMs(ms: number): string {
  if (ms < 1) return '<1 ms';
  if (Math.round(ms) < 1_000) return `${figure(ms)} ms`;
  if (ms < 60_000) return `${figure(ms / 1_000)} s`;
  return `${Math.round(ms / 60_000)} min`;
}

/** As a clock runs: whole seconds. */
export function formatSeconds(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  if (seconds === 0) return 'under 1 s';
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** Seconds are fine enough for what was. */
export function formatAge(ms: number): string {
  return ms < 1_000 ? 'just now' : `${formatMs(ms)} ago`;
}

export function formatRate(tokensPerSecond: number): string {
  return `${formatCount(tokensPerSecond)} tok/s`;
}

/** Of an estimate: two digits are more than it is worth. */
export function roundedRate(tokensPerSecond: number): number {
  return Number(tokensPerSecond.toPrecision(2));
}

/** 5.3, 41, 850, 1.4k, 12k, 3.1M */
export function formatCount(count: number): string {
  if (Math.round(count) < 1_000) return figure(count);
  if (Math.round(count) < 1_000_000) return `${figure(count / 1_000)}k`;
  return `${figure(count / 1_000_000)}M`;
}

/** Decimal units, as download pages use them. */
export function formatBytes(bytes: number): string {
  if (bytes < 1e6) return `${Math.ceil(bytes / 1e3)} KB`;
  if (bytes < 1e9) return `${figure(bytes / 1e6)} MB`;
  return `${figure(bytes / 1e9)} GB`;
}

/** Operations a second on floats: `2.1 TFLOPS`. */
export function formatFlops(operationsPerSecond: number): string {
  if (operationsPerSecond < 999.5e9) return `${figure(operationsPerSecond / 1e9)} GFLOPS`;
  return `${figure(operationsPerSecond / 1e12)} TFLOPS`;
}

export function formatShare(share: number): string {
  return `${Math.round(share * 100)} %`;
}

export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

function figure(value: number): string {
  return value >= 9.95 ? String(Math.round(value)) : String(Number(value.toFixed(1)));
}
