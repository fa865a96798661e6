/**
 * `npm run bench [-- name …] [--json FILE]`: every benchmark, or the named ones, one after the other; each prints its table
 * as it ends. Ctrl-C stops all processes. An exit code other than 0 means that a benchmark could not run, not that it was
 * slow.
 */

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Benchmark, Result } from './run/benchmark.ts';
import { createChildren } from './run/children.ts';
import { commitOf, machine, printTable, writeJson } from './run/report.ts';

/** Loaded when asked for: a browser or llama.cpp is not needed to measure the router. */
const BENCHMARKS: Record<string, () => Promise<{ readonly benchmark: Benchmark }>> = {
  'mesh-efficiency': () => import('./mesh-efficiency.ts'),
  'tab-to-tab': () => import('./tab-to-tab.ts'),
  router: () => import('./router.ts'),
  reasoning: () => import('./reasoning.ts'),
  'link-setup': () => import('./link-setup.ts'),
  'killed-peer': () => import('./killed-peer.ts'),
  'link-throughput': () => import('./link-throughput.ts'),
  'link-streams': () => import('./link-streams.ts'),
  'first-load': () => import('./first-load.ts'),
  ledger: () => import('./ledger.ts'),
  gateway: () => import('./gateway.ts'),
  gate: () => import('./gate.ts'),
  grammar: () => import('./grammar.ts'),
  gossip: () => import('./gossip.ts'),
  'status-page': () => import('./status-page.ts'),
  streams: () => import('./streams.ts'),
  failover: () => import('./failover.ts'),
  chaos: () => import('./chaos.ts'),
  'chaos-real': () => import('./chaos-real.ts'),
  racing: () => import('./racing.ts'),
  attacks: () => import('./attacks.ts'),
  'attacks-soak': () => import('./attacks-soak.ts'),
  batching: () => import('./batching.ts'),
  prefix: () => import('./prefix.ts'),
  cancel: () => import('./cancel.ts'),
  resume: () => import('./resume.ts'),
  stalls: () => import('./attacks/stalls.ts'),
  startup: () => import('./startup.ts'),
};

/** Asked for by name only: half an hour each. */
const SOAKS: ReadonlySet<string> = new Set(['attacks-soak']);

const LIMIT_MS = 600_000;

const root = resolve(import.meta.dirname, '../..');
const stop = new AbortController();
process.once('SIGINT', () => stop.abort(new Error('Stopped.')));
process.once('SIGTERM', () => stop.abort(new Error('Stopped.')));

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
// WebRTC keeps timers and threads for seconds after the last connection closed.
process.exit();

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log('npm run bench [-- name …] [--json FILE] [--list]\n');
    return list();
  }
  if (values.list) return list();
  const names = positionals.length > 0 ? positionals : Object.keys(BENCHMARKS).filter((name) => !SOAKS.has(name));
  const unknown = names.find((name) => BENCHMARKS[name] === undefined);
  if (unknown !== undefined) {
    throw new Error(`There is no benchmark '${unknown}'. Choose from: ${Object.keys(BENCHMARKS).join(', ')}.`);
  }
  // Asked once: a run takes minutes, and what it measures is what stood there when it began.
  const commit = commitOf(root);
  console.log(`${machine()}, commit ${commit}`);
  const results: Result[] = [];
  const failed: string[] = [];
  for (const name of names) {
    if (stop.signal.aborted) break;
    try {
      results.push(...(await runOne(name)));
    } catch (error) {
      if (stop.signal.aborted) break;
      console.error(error);
      failed.push(name);
    }
    if (values.json !== undefined) writeJson(values.json, commit, results);
  }
  const missed = results.filter((result) => result.met === false).map((result) => result.name);
  console.log(
    `\n${results.length} figures, ${missed.length} miss their target${missed.map((name) => `\n  ${name}`).join('')}`,
  );
  if (failed.length > 0) console.error(`${failed.length} benchmarks could not run: ${failed.join(', ')}`);
  return stop.signal.aborted ? 130 : failed.length > 0 ? 1 : 0;
}

async function list(): Promise<number> {
  for (const load of Object.values(BENCHMARKS)) {
    const { benchmark } = await load();
    console.log(`${benchmark.name.padEnd(16)} ${benchmark.describe}`);
  }
  return 0;
}

async function runOne(name: string): Promise<readonly Result[]> {
  const load = BENCHMARKS[name];
  if (load === undefined) return [];
  const { benchmark } = await load();
  console.log(`\n${name}: ${benchmark.describe}`);
  const children = createChildren();
  const closers: (() => unknown)[] = [() => children.close()];
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(benchmark.limitMs ?? LIMIT_MS)]);
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  try {
    const results = await Promise.race([
      aborted,
      benchmark.run({
        root,
        signal,
        children,
        progress: (text) => console.log(`  … ${text}`),
        onEnd: (close) => closers.push(close),
      }),
    ]);
    const named = results.map((result) => ({ ...result, name: `${name}: ${result.name}` }));
    printTable(named);
    return named;
  } finally {
    for (const close of closers.reverse()) await close();
  }
}
