/**
 * How the packages were installed, and which npm could not get. The note goes with node_modules, and so never vouches for
 * anything that is there.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const NOTHING_NOTED = { isSlim: false, absent: [] };

export function readStamp(root) {
  try {
    return { ...NOTHING_NOTED, ...JSON.parse(readFileSync(stampFile(root), 'utf8')) };
  } catch {
    return NOTHING_NOTED;
  }
}

export function writeStamp(root, stamp) {
  writeFileSync(stampFile(root), JSON.stringify(stamp));
}

function stampFile(root) {
  return join(root, 'node_modules', '.tabmesh-stamp');
}
