/**
 * Compiles the `tabmesh` command when it was never compiled or when a source has changed since. Into a folder of its own that
 * then takes the place of the old one: several commands may start at the same moment.
 */
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fingerprintOf, isFresh, markFresh } from './built-folder.mjs';
import { runVite } from './run-vite.mjs';

const SOURCES = [
  'native-peer/src',
  'native-peer/build',
  'native-peer/vite.config.ts',
  'native-peer/package.json',
  'signaling/src',
  'shared/src',
  'shared/setup',
  'package-lock.json',
];

/** Throws an `Error` whose message says what to do. Resolves at once when the build is fresh. */
export async function ensureNodeBuilt(root) {
  const dist = join(root, 'native-peer', 'dist');
  const wanted = fingerprintOf(root, SOURCES);
  if (isFresh(dist, 'cli.js', wanted)) return;
  // Whoever asked for JSON reads stdout.
  console.error('Compiling the tabmesh command …');
  const fresh = `${dist}-${process.pid}`;
  try {
    if (!runVite(root, 'native-peer', ['--outDir', fresh])) {
      throw new Error("The tabmesh command can't be compiled: Vite's own message stands above.");
    }
    markFresh(fresh, wanted);
    replace(dist, fresh);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

function replace(dist, fresh) {
  const old = `${fresh}-old`;
  try {
    renameSync(dist, old);
  } catch {
    // There was none, or another process has just moved it away.
  }
  try {
    renameSync(fresh, dist);
  } catch (error) {
    // Another process was faster; its build is as fresh as this one.
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST' && error.code !== 'EPERM') throw error;
  }
  rmSync(old, { recursive: true, force: true });
}
