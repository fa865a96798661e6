/** The benchmark's figures for people (a table) and for programs (a JSON file). */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, platform, release, totalmem } from 'node:os';
import type { Result } from './benchmark.ts';

export function printTable(results: readonly Result[]): void {
  const rows = [
    ['figure', 'value', 'rival', 'ratio', 'target', 'met'],
    ...results.map((result) => [
      result.name,
      `${number(result.value)} ${result.unit}`,
      result.rivalValue === null ? '—' : `${number(result.rivalValue)} ${result.unit} (${result.rival})`,
      result.ratio === null ? '—' : result.ratio.toPrecision(3),
      result.target ?? '—',
      result.met === null ? '—' : result.met ? 'yes' : 'NO',
    ]),
  ];
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
}

export function writeJson(file: string, commit: string, results: readonly Result[]): void {
  writeFileSync(file, `${JSON.stringify({ commit, machine: machine(), results }, null, 2)}\n`);
}

/** The commit that was measured, with `-dirty` when files differ from it; `unknown` outside a repository. */
export function commitOf(root: string): string {
  try {
    const git = (...args: string[]) => execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: 'pipe' }).trim();
    return git('rev-parse', 'HEAD') + (git('status', '--porcelain') === '' ? '' : '-dirty');
  } catch {
    return 'unknown';
  }
}

export function machine(): string {
  const gigabytes = Math.round(totalmem() / 1e9);
  const cpu = cpus()[0]?.model ?? 'unknown processor';
  return `${availableParallelism()} × ${cpu}, ${gigabytes} GB, ${platform()} ${release()} ${arch()}, Node ${process.version}`;
}

/** Four digits, no exponent. */
function number(value: number): string {
  if (!Number.isFinite(value)) return '—';
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en');
  return Number(value.toPrecision(4)).toString();
}
