/** What npm is asked for: everything, or in the slim way this machine's packages without those for graphics cards. */
import { readStamp } from './install-stamp.mjs';
import { nameAt, nativePackages } from './installed-tree.mjs';
import { isLlamaPackage } from './llama-package.mjs';
import { readLockedPackages } from './lock-file.mjs';

export const EVERYTHING = ['--include=dev', '--include=optional'];
export const LEAN = ['--include=dev', '--omit=optional'];

/** npm leaves out every optional package or none: in the slim way all of them, then by name those of this machine. */
export function namedPackages({ packages, machine, isSlim }) {
  if (!isSlim) return [];
  const wanted = [...nativePackages(packages, machine), ...portablePackages(packages)];
  return wanted.map(([at, { version }]) => `${nameAt(at)}@${version}`);
}

/** For one package more. A later installation by name takes away what an earlier one brought, so it names that again. */
export function commandFor(wanted, place) {
  return ['install', '--no-save', ...(place.isSlim ? LEAN : EVERYTHING), ...namedPackages(place), wanted];
}

/** As the repository was installed: without naming the slim way npm would bring what that leaves out. */
export function typedCommandFor(wanted, root, machine) {
  const { isSlim } = readStamp(root);
  const args = isSlim
    ? commandFor(wanted, { packages: readLockedPackages(root), machine, isSlim })
    : ['install', '--no-save', wanted];
  return `npm ${args.join(' ')}`;
}

/** For packages that are there and do not work. */
export function typedReinstallation(root) {
  return readStamp(root).isSlim ? 'remove node_modules, then TABMESH_SLIM=1 npm start' : 'npm ci --include=optional';
}

/** Optional for a reason of their own, and of no machine in particular. */
function portablePackages(packages) {
  return Object.entries(packages).filter(
    ([at, entry]) => entry.optional && entry.os === undefined && entry.cpu === undefined && !isLlamaPackage(nameAt(at)),
  );
}
