/** package-lock.json as the set-up needs it: read, and held to the package.json files that it was made from. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const MEND = 'npm install --package-lock-only --ignore-scripts';
const FIELDS = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'];

/** The lock file's `packages`, by place. Throws an `Error` that says what to do. */
export function readLockedPackages(root) {
  try {
    const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
    if (typeof packages === 'object' && packages !== null) return packages;
  } catch {
    // Told below: conflict markers of a merge and half a file look the same to who must mend it.
  }
  throw new Error('package-lock.json is missing or damaged. Restore it: git checkout package-lock.json');
}

/** A sentence about the first package.json that says something else than the lock file, or undefined. */
export function outOfStep(root, packages) {
  const workspaces = Object.keys(packages).filter((place) => !place.includes('node_modules/'));
  for (const place of workspaces) {
    const file = place === '' ? 'package.json' : `${place}/package.json`;
    const described = readJson(join(root, file));
    if (described === undefined) return `package-lock.json names ${file}, which can't be read. Run: ${MEND}`;
    const differing = FIELDS.flatMap((field) => differences(described[field], packages[place][field]));
    if (differing.length > 0) {
      return `package-lock.json is out of step with ${file} (${differing.join(', ')}). Run: ${MEND}`;
    }
  }
  return undefined;
}

function differences(described = {}, locked = {}) {
  const names = new Set([...Object.keys(described), ...Object.keys(locked)]);
  return [...names].filter((name) => described[name] !== locked[name]);
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}
