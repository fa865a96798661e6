/**
 * Whether node_modules holds what package-lock.json says. The folder itself is asked, at every start: a note of an earlier
 * installation would go on vouching for what was stopped half-way, deleted or changed by hand since. Some 20 ms.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isLlamaPackage } from './llama-package.mjs';
import { admits } from './machine.mjs';

const FOLDER = 'node_modules/';

/** The name of the package at a place of the lock file: `node_modules/a/node_modules/@b/c` holds `@b/c`. */
export function nameAt(place) {
  return place.slice(place.lastIndexOf(FOLDER) + FOLDER.length);
}

/** The places of the lock file whose package should be there and is not, or is another version. */
export function missingPlaces(root, packages, machine) {
  const installed = whatNpmInstalled(root);
  return Object.entries(packages)
    .filter(([place]) => place.includes(FOLDER))
    .filter(([place, entry]) => {
      const isThere = existsSync(join(root, place, 'package.json'));
      if (entry.link) return !isThere;
      if (isThere && installed[place]?.version === entry.version) return false;
      return installed[place] !== undefined || isDemanded(place, entry, machine);
    })
    .map(([place]) => place);
}

/** The native packages of this machine that npm can get; llama.cpp's are looked after by themselves. */
export function nativePackages(packages, machine) {
  return Object.entries(packages).filter(
    ([place, entry]) =>
      entry.optional &&
      entry.integrity !== undefined &&
      (entry.os !== undefined || entry.cpu !== undefined) &&
      admits(entry, machine) &&
      !isLlamaPackage(nameAt(place)),
  );
}

function isDemanded(place, entry, machine) {
  if (!entry.optional && !entry.devOptional) return true;
  return nativePackages({ [place]: entry }, machine).length > 0;
}

/** npm writes this file when it has put everything into its place, and removes it before it begins anew. */
function whatNpmInstalled(root) {
  try {
    return JSON.parse(readFileSync(join(root, FOLDER, '.package-lock.json'), 'utf8')).packages ?? {};
  } catch {
    return {};
  }
}
