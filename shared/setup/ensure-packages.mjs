/**
 * Installs the packages when they are missing or not those of package-lock.json. Runs before anything is installed, so
 * it uses Node's built-ins only.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Throws an `Error` whose message says what to do. Resolves at once when everything is in place. */
export async function ensurePackages(root) {
  const lock = join(root, 'package-lock.json');
  const stamp = join(root, 'node_modules', '.tabmesh-stamp');
  const wanted = createHash('sha256').update(readFileSync(lock)).digest('hex');
  if (existsSync(stamp)) {
    if (readFileSync(stamp, 'utf8') === wanted) return;
  } else if (isInstalledByHand(root, lock)) {
    writeFileSync(stamp, wanted);
    return;
  }
  console.log('Installing the packages …');
  install(root);
  writeFileSync(stamp, wanted);
}

/** npm notes in this file what it has installed; newer than the lock file means: from it. */
function isInstalledByHand(root, lock) {
  const note = join(root, 'node_modules', '.package-lock.json');
  return existsSync(note) && statSync(note).mtimeMs >= statSync(lock).mtimeMs;
}

function install(root) {
  // No package of ours needs its install script; without them nothing is compiled or downloaded behind npm's back.
  // `install --no-save` keeps to the lock file and leaves it as it is. `npm ci` would too, but refuses a lock file that was
  // written where the registry lacked a package for some other platform.
  const args = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = process.env.npm_execpath;
  const [command, commandArgs] = npm?.endsWith('.js') ? [process.execPath, [npm, ...args]] : ['npm', args];
  const { status, error } = spawnSync(command, commandArgs, {
    cwd: root,
    stdio: 'inherit',
    shell: command === 'npm' && process.platform === 'win32',
  });
  if (error !== undefined) throw new Error(`npm can't be started (${error.message}). Install npm, then try again.`);
  if (status !== 0)
    throw new Error('npm install failed; its own message stands above. Check the network, then try again.');
}
