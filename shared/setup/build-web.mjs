/** Builds the web app when it was never built or when a source has changed since. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SOURCES = ['client', 'shared/src', 'shared/package.json', 'package-lock.json'];
const NOT_SOURCES = new Set(['node_modules', 'dist', 'test']);

/** Throws an `Error` whose message says what to do. Resolves at once when the build is fresh. */
export async function ensureWebBuilt(root) {
  const dist = join(root, 'client', 'dist');
  const stamp = join(dist, '.tabmesh-stamp');
  const wanted = fingerprint(root);
  if (existsSync(join(dist, 'index.html')) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  console.log('Building the web app …');
  const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js');
  const { status } = spawnSync(process.execPath, [vite, 'build', '--logLevel', 'error'], {
    cwd: join(root, 'client'),
    stdio: 'inherit',
    // Vite takes another mode from a NODE_ENV that somebody exported.
    env: { ...process.env, NODE_ENV: 'production' },
  });
  if (status !== 0) throw new Error("The web app can't be built: Vite's own message stands above.");
  writeFileSync(stamp, wanted);
}

/** Of names, sizes and times: reading every file would take longer than a second start should. */
function fingerprint(root) {
  const hash = createHash('sha256');
  for (const source of SOURCES) add(hash, join(root, source), source);
  return hash.digest('hex');
}

function add(hash, path, name) {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isDirectory()) {
    if (!/\.test\.ts$/.test(name)) hash.update(`${name}\0${stats.size}\0${stats.mtimeMs}\n`);
    return;
  }
  for (const entry of readdirSync(path).sort()) {
    if (!NOT_SOURCES.has(entry)) add(hash, join(path, entry), `${name}/${entry}`);
  }
}
