/** The packages that come in one build per system, and how a machine fares with each. */
import { nameAt } from '../../shared/setup/installed-tree.mjs';
import { llamaPackage } from '../../shared/setup/llama-package.mjs';
import { admits } from '../../shared/setup/machine.mjs';

/** `what` TabMesh needs them for. */
export const FAMILIES = [
  { what: 'llama.cpp', prefix: '@node-llama-cpp/' },
  { what: 'WebRTC', prefix: '@node-datachannel/' },
  { what: 'SQLite', prefix: '@libsql/' },
  { what: 'TypeScript', prefix: '@esbuild/' },
  { what: 'web build', prefix: '@rolldown/binding-' },
  { what: 'CSS', prefix: 'lightningcss-' },
  { what: 'lint', prefix: '@biomejs/cli-' },
];

/**
 * One cell for each family. `none`: its makers have no build for the machine. `not yet`: the lock file has an entry, but
 * nobody could fetch the package when it was written. A fault is one that npm should have brought.
 */
export function nativeFamilies(packages, machine, isInstalled) {
  return FAMILIES.map(({ what, prefix }) => {
    const fitting = Object.entries(packages).filter(
      ([place, entry]) => nameAt(place).startsWith(prefix) && entry.optional && suits(place, entry, machine),
    );
    if (fitting.length === 0) return { text: 'none' };
    const absent = fitting.filter(([place]) => !isInstalled(place));
    if (absent.length === 0) return { text: 'ok' };
    const missing = absent.find(([, entry]) => entry.integrity !== undefined);
    if (missing === undefined) return { text: 'not yet' };
    return { text: 'MISSING', fault: `${nameAt(missing[0])} (${what}) did not come.` };
  });
}

/** Of llama.cpp's packages one will do: the others are for graphics cards and for other processors. */
function suits(place, entry, machine) {
  const llama = llamaPackage(machine);
  if (nameAt(place).startsWith('@node-llama-cpp/')) return nameAt(place) === llama;
  return admits(entry, machine);
}
