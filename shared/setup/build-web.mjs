/** Builds the web app when it was never built or when a source has changed since. */
import { join } from 'node:path';
import { fingerprintOf, isFresh, markFresh } from './built-folder.mjs';
import { runVite } from './run-vite.mjs';

const SOURCES = ['client', 'shared/src', 'shared/package.json', 'package-lock.json'];

/** Throws an `Error` whose message says what to do. Resolves at once when the build is fresh. */
export async function ensureWebBuilt(root) {
  const dist = join(root, 'client', 'dist');
  const wanted = fingerprintOf(root, SOURCES);
  if (isFresh(dist, 'index.html', wanted)) return;
  console.log('Building the web app …');
  if (!runVite(root, 'client', [])) throw new Error("The web app can't be built: Vite's own message stands above.");
  markFresh(dist, wanted);
}
