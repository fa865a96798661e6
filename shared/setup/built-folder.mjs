/**
 * A folder that is built from sources, and whether it is still what they would give: by one note of their names, sizes and
 * times, because reading every file would take longer than a second start should.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const STAMP = '.tabmesh-stamp';
const NOT_SOURCES = new Set(['node_modules', 'dist', 'test']);

/** `file`: one that every build has. */
export function isFresh(folder, file, fingerprint) {
  const stamp = join(folder, STAMP);
  return existsSync(join(folder, file)) && existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint;
}

export function markFresh(folder, fingerprint) {
  writeFileSync(join(folder, STAMP), fingerprint);
}

export function fingerprintOf(root, sources) {
  const hash = createHash('sha256');
  for (const source of sources) add(hash, join(root, source), source);
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
