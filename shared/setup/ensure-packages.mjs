/**
 * Installs the packages when they are missing or not those of package-lock.json, and mends what an interrupted installation
 * left. Runs before anything is installed, so it uses Node's built-ins only.
 */
import { readFileSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { commandFor, EVERYTHING, LEAN, namedPackages } from './install-command.mjs';
import { announcement } from './install-size.mjs';
import { readStamp, writeStamp } from './install-stamp.mjs';
import { missingPlaces, nameAt } from './installed-tree.mjs';
import { llamaPackage } from './llama-package.mjs';
import { outOfStep, readLockedPackages } from './lock-file.mjs';
import { thisMachine } from './machine.mjs';
import { runNpm } from './run-npm.mjs';

// No package of ours needs its install script; without them nothing is compiled or downloaded behind npm's back.
const QUIETLY = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
const FAILED = 'Check the network, then try again.';

/** Throws an `Error` whose message says what to do. Resolves at once when everything is in place. */
export async function ensurePackages(root, options = {}) {
  const { environment = process.env, machine = thisMachine(), freeBytes = freeBytesAt(root) } = options;
  const packages = readLockedPackages(root);
  const difference = outOfStep(root, packages);
  if (difference !== undefined) throw new Error(difference);
  const stamp = readStamp(root);
  const place = { root, packages, machine, isSlim: isSlimWanted(environment.TABMESH_SLIM) ?? stamp.isSlim };
  if (missing(place).some((one) => !stamp.absent.includes(one))) await install(place, freeBytes);
  await ensureLlama(place);
}

/** Undefined: not said, so it stays as it was. */
function isSlimWanted(text = '') {
  return text === '' ? undefined : !['0', 'false', 'no'].includes(text.toLowerCase());
}

async function install(place, freeBytes) {
  const { root, packages, machine, isSlim } = place;
  // Of another tree, as that of the benchmarks' rivals, no size is known.
  const isOurs = packages['node_modules/node-llama-cpp'] !== undefined;
  for (const line of isOurs ? announcement({ machine, isSlim, freeBytes }) : ['Installing the packages …'])
    console.log(line);
  const npm = (args) => runOrThrow([...args, ...QUIETLY], root);
  await npm(['ci', ...(isSlim ? LEAN : EVERYTHING)]);
  const named = namedPackages(place);
  if (named.length > 0) await npm(['install', '--no-save', ...LEAN, ...named]);
  const places = missingPlaces(root, packages, machine);
  const needed = places.filter((at) => !packages[at].optional);
  if (needed.length > 0) throw new Error(`npm left out ${needed.map(nameAt).join(', ')}. ${FAILED}`);
  if (places.length > 0)
    console.error(`npm could not get ${places.map(nameAt).join(', ')}; what needs it will say so.`);
  writeStamp(root, { isSlim, absent: missing(place) });
}

/**
 * npm passes over an optional package that it can't get without a word, so llama.cpp is looked for, and asked for by name.
 * What npm refuses is asked for again a day later.
 */
async function ensureLlama(place) {
  const { root, packages, machine } = place;
  const name = llamaPackage(machine);
  const version = packages['node_modules/node-llama-cpp']?.version;
  if (name === undefined || version === undefined || isInstalled(root, name, version)) return;
  const wanted = `${name}@${version}`;
  const stamp = readStamp(root);
  if (stamp.refused === wanted && Date.now() - stamp.refusedAtMs < DAY_MS) return;
  const command = commandFor(wanted, place);
  const status = await runNpm([...command, ...QUIETLY, '--loglevel=silent', '--fetch-retries=0'], { cwd: root });
  if (status === 0 && isInstalled(root, name, version)) return;
  writeStamp(root, { ...stamp, refused: wanted, refusedAtMs: Date.now() });
  console.error(
    `llama.cpp is missing: npm could not get ${wanted}. The web app, the entry and \`tabmesh serve --engine …\` work ` +
      `without it; to try again: npm ${command.join(' ')}`,
  );
}

const DAY_MS = 86_400_000;

/** With their versions: another version may be there to be had. */
function missing({ root, packages, machine }) {
  return missingPlaces(root, packages, machine).map((at) => `${at}@${packages[at].version}`);
}

function isInstalled(root, name, version) {
  try {
    return JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')).version === version;
  } catch {
    return false;
  }
}

async function runOrThrow(args, root) {
  const status = await runNpm(args, { cwd: root }).catch((error) => {
    if (error.exitCode !== undefined) throw error;
    throw new Error(`npm can't be started (${error.message}). Install npm, then try again.`);
  });
  if (status === 127) throw new Error("npm can't be started. Install npm, then try again.");
  if (status !== 0) throw new Error(`npm ${args[0]} failed; its own message stands above. ${FAILED}`);
}

function freeBytesAt(root) {
  const { bavail, bsize } = statfsSync(root);
  return bavail * bsize;
}
