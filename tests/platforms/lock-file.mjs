/**
 * What package-lock.json must hold so that every machine can install from it. npm writes only what the registry gives it at
 * that moment, and says nothing of the rest: `npm ci` then fails elsewhere, or installs without a part.
 */
import { satisfies, subset, validRange } from 'semver';

const FOLDER = 'node_modules/';

/** One sentence for each fault, with what to do. */
export function lockFaults(packages) {
  const promised = packages['']?.engines?.node;
  if (promised === undefined) return ["package.json promises no Node: give it an 'engines' with a 'node'."];
  return Object.entries(packages).flatMap(([place, entry]) => [
    ...optionalFaults(packages, place, entry),
    ...handWrittenFaults(place, entry),
    ...engineFaults(place, entry, promised),
  ]);
}

/** Every package that some machine will want stands in the lock file, in the version that is wanted. */
function optionalFaults(packages, place, { optionalDependencies = {} }) {
  return Object.entries(optionalDependencies).flatMap(([name, range]) => {
    const found = packages[resolvedPlace(packages, place, name)];
    const who = `${nameAt(place)} wants ${name}@${range}`;
    if (found === undefined) {
      return [
        `${who}, which has no entry: run npm install --package-lock-only, or where the registry lacks it write the entry by ` +
          'hand, with version, os, cpu, libc and "optional": true, as its siblings have them.',
      ];
    }
    if (validRange(range) !== null && !satisfies(found.version, range)) {
      return [`${who}, but the entry is ${found.version}: correct its version, and its integrity with it.`];
    }
    return [];
  });
}

/** An entry without a checksum is one that nobody could fetch: npm must pass over it wherever it can't be had. */
function handWrittenFaults(place, entry) {
  if (!place.includes(FOLDER) || entry.link || entry.inBundle || entry.integrity !== undefined) return [];
  if (entry.optional && entry.os !== undefined && entry.cpu !== undefined) return [];
  return [`${nameAt(place)} has no integrity: without "optional": true, os and cpu every installation fails on it.`];
}

function engineFaults(place, { engines, version, dev }, promised) {
  const wanted = Array.isArray(engines) ? undefined : engines?.node;
  if (wanted === undefined || validRange(wanted) === null || subset(promised, wanted)) return [];
  const way = dev ? 'take a version that does' : "take a version that does, by npm's 'overrides' if need be";
  return [`${nameAt(place)}@${version} wants Node ${wanted}, but package.json promises ${promised}: ${way}.`];
}

/** Node looks beside the package first, then in each folder above: undefined when nowhere. */
function resolvedPlace(packages, from, name) {
  for (let folder = from; ; folder = above(folder)) {
    const place = folder === '' ? `${FOLDER}${name}` : `${folder}/${FOLDER}${name}`;
    if (packages[place] !== undefined) return place;
    if (folder === '') return undefined;
  }
}

/** Of `a/node_modules/b` that is `a`; of a workspace and of a package at the top it is the repository. */
function above(place) {
  const end = place.lastIndexOf(`/${FOLDER}`);
  return end < 0 ? '' : place.slice(0, end);
}

function nameAt(place) {
  if (place === '') return 'package.json';
  return place.slice(place.lastIndexOf(FOLDER) + (place.includes(FOLDER) ? FOLDER.length : 1));
}
