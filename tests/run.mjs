/**
 * `npm test [-- suite …]`, `npm run bench`, `npm run test:webllm`, `npm run test:llama-server`, `npm run test:agents`: installs what is missing and
 * runs the suites. Only Node's built-ins until the packages are there.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ensurePackages } from '../shared/setup/ensure-packages.mjs';

const root = resolve(import.meta.dirname, '..');
const SUITES = {
  unit: ['unit'],
  native: ['native'],
  browser: ['chromium-unit', 'browser'],
};

const [task, ...rest] = process.argv.slice(2);
try {
  await ensurePackages(root);
  process.exitCode = await run();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = error?.exitCode ?? 1;
}

async function run() {
  // Once for all: what the tests and the benchmarks start is the compiled command.
  const { ensureNodeBuilt } = await import('../shared/setup/build-node.mjs');
  await ensureNodeBuilt(root);
  if (task === 'bench') return runTypeScript('bench/main.ts', rest);
  if (task === 'llama-server') return runTypeScript('llama-server/main.ts', rest);
  if (task === 'agents') return runTypeScript('agents/main.ts', rest);
  await prepareBrowser();
  if (task === 'webllm') return runTypeScript('webllm/main.ts', rest);
  if (task !== undefined && SUITES[task] === undefined) {
    throw new Error(`There is no suite '${task}'. Choose from: ${Object.keys(SUITES).join(', ')}, or none for all.`);
  }
  const projects = task === undefined ? Object.values(SUITES).flat() : SUITES[task];
  return runSuites(projects, rest);
}

async function prepareBrowser() {
  const { ensureChromium } = await import('./setup/chromium.mjs');
  const { ensureWebBuilt } = await import('../shared/setup/build-web.mjs');
  await ensureChromium(root);
  await ensureWebBuilt(root);
}

function runTypeScript(file, args) {
  return node(['--import', 'tsx', join(import.meta.dirname, file), ...args]);
}

/** One vitest run per project: two cores can't drive browsers and llama.cpp at once. Ends with the totals of all. */
function runSuites(projects, args) {
  const folder = mkdtempSync(join(tmpdir(), 'tabmesh-tests-'));
  // The suites end with the same Ctrl-C; this process stays for what they can't clear away then.
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => {});
  try {
    return runIn(folder, projects, args);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function runIn(folder, projects, args) {
  const scratch = join(folder, 'scratch');
  mkdirSync(scratch);
  // Every temporary folder of a test lies in here, so that none outlives the run, however it ends.
  const environment = { TMPDIR: scratch, TEMP: scratch, TMP: scratch };
  const totals = { passed: 0, failed: 0, skipped: 0 };
  let status = 0;
  for (const project of projects) {
    const report = join(folder, `${project}.json`);
    const runTests = [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--config',
      join(import.meta.dirname, 'vitest.config.ts'),
      '--project',
      project,
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
      // A file that is named belongs to one of the suite's projects, and the others have none of that name.
      ...(projects.length > 1 && args.length > 0 ? ['--passWithNoTests'] : []),
      ...args,
    ];
    const exit = node(runTests, environment);
    const counted = readTotals(report);
    totals.passed += counted.passed;
    totals.failed += counted.failed;
    totals.skipped += counted.skipped;
    // A suite that breaks outside its tests still fails.
    if (exit !== 0 && counted.failed === 0) totals.failed += 1;
    if (exit !== 0) status = exit;
  }
  if (status === 0 && totals.passed + totals.failed + totals.skipped === 0) {
    console.error(`\nNo test was found for ${args.join(' ')}. Name files by any part of their path.`);
    status = 1;
  }
  const left = readdirSync(scratch).filter((name) => name.startsWith('tabmesh-'));
  if (left.length > 0 && status === 0) {
    console.error(`\nTests left folders behind: ${left.join(', ')}. Each is to remove its own.`);
    status = 1;
  }
  const skipped = totals.skipped === 0 ? '' : `, ${totals.skipped} skipped`;
  console.log(`\n${totals.passed} passed, ${totals.failed} failed${skipped}`);
  return status;
}

function readTotals(report) {
  try {
    const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(report, 'utf8'));
    return {
      passed: numPassedTests,
      failed: numFailedTests,
      skipped: numPendingTests,
    };
  } catch {
    return { passed: 0, failed: 0, skipped: 0 };
  }
}

function node(args, environment = {}) {
  const { status, signal } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  });
  return status ?? (signal === null ? 1 : 130);
}
