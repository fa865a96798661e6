/**
 * `npm run test:installs [-- --only win32-x64 …]`: installs from package-lock.json for every machine, without scripts, and
 * lists which native packages came. npm takes `--os`, `--cpu` and `--libc`, so one machine tries them all. Downloads about
 * 1.5 GB the first time, and has 1.2 GB at most on the disk.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readLockedPackages } from '../../shared/setup/lock-file.mjs';
import { npmCommand } from '../../shared/setup/npm-command.mjs';
import { folderBytes } from './folder-bytes.mjs';
import { FAMILIES, nativeFamilies } from './native-families.mjs';

const MACHINES = [
  { platform: 'darwin', arch: 'arm64' },
  { platform: 'darwin', arch: 'x64' },
  { platform: 'win32', arch: 'x64' },
  { platform: 'win32', arch: 'arm64' },
  { platform: 'linux', arch: 'x64', libc: 'glibc' },
  { platform: 'linux', arch: 'x64', libc: 'musl' },
  { platform: 'linux', arch: 'arm64', libc: 'glibc' },
  { platform: 'linux', arch: 'arm64', libc: 'musl' },
];

const root = resolve(import.meta.dirname, '../..');
const packages = readLockedPackages(root);
const { values } = parseArgs({ options: { only: { type: 'string', multiple: true, default: [] } } });
const chosen = MACHINES.filter((machine) => values.only.length === 0 || values.only.includes(nameOf(machine)));
if (chosen.length === 0) throw new Error(`Choose from: ${MACHINES.map(nameOf).join(', ')}`);

const rows = [['machine', ...FAMILIES.map(({ what }) => what), 'MB']];
const faults = [];
for (const machine of chosen) {
  console.error(`${nameOf(machine)} …`);
  rows.push(tryOn(machine));
}
const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
for (const row of rows)
  console.log(
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd(),
  );
for (const fault of faults) console.error(fault);
process.exitCode = faults.length === 0 ? 0 : 1;

function tryOn(machine) {
  const name = nameOf(machine);
  const folder = mkdtempSync(join(tmpdir(), `tabmesh-install-${name}-`));
  try {
    copyDescriptions(folder);
    const { command, args, shell } = npmCommand();
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'];
    const target = [`--os=${machine.platform}`, `--cpu=${machine.arch}`];
    if (machine.libc !== undefined) target.push(`--libc=${machine.libc}`);
    const { status } = spawnSync(command, [...args, 'ci', ...flags, ...target], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
      shell,
    });
    if (status !== 0) faults.push(`${name}: npm ci failed; its own message stands above.`);
    const cells = nativeFamilies(packages, machine, (place) => existsSync(join(folder, place, 'package.json')));
    for (const { fault } of cells) if (fault !== undefined) faults.push(`${name}: ${fault}`);
    return [name, ...cells.map(({ text }) => text), String(Math.round(folderBytes(folder) / 1e6))];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What npm reads: each package.json, the lock file, the settings. */
function copyDescriptions(folder) {
  const workspaces = Object.keys(packages).filter((place) => place !== '' && !place.includes('node_modules/'));
  const files = ['package.json', 'package-lock.json', '.npmrc', ...workspaces.map((place) => `${place}/package.json`)];
  for (const file of files.filter((one) => existsSync(join(root, one)))) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    copyFileSync(join(root, file), join(folder, file));
  }
}

function nameOf({ platform, arch, libc }) {
  return [platform, arch, ...(libc === 'musl' ? ['musl'] : [])].join('-');
}
