/** `npm run check`: types, lint, import directions, formatting; every check runs, all that fail are told. */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { ensurePackages } from '../shared/setup/ensure-packages.mjs';

const root = resolve(import.meta.dirname, '..');
await ensurePackages(root);

/** Also sees the types that Svelte files import. */
const CRUISE = [
  'node',
  '--import',
  './tests/imports/see-svelte-types.mjs',
  'node_modules/dependency-cruiser/bin/dependency-cruise.mjs',
  '--config',
];

const CHECKS = [
  ['types: shared', 'tsc', '-p', 'shared'],
  ['types: signaling', 'tsc', '-p', 'signaling'],
  ['types: native-peer', 'tsc', '-p', 'native-peer'],
  ['types: tests', 'tsc', '-p', 'tests'],
  ['types: README', 'node', 'tests/readme-snippets.mjs'],
  ['types: client', 'svelte-check', '--tsconfig', 'client/tsconfig.json', '--fail-on-warnings', '--output', 'human'],
  ['lint and format', 'biome', 'check', '--error-on-warnings', '.'],
  ['format: Svelte', 'prettier', '--log-level', 'warn', '--check', 'client/src/**/*.svelte'],
  [
    'import directions',
    ...CRUISE,
    '.dependency-cruiser.cjs',
    ...['shared/src', 'signaling', 'native-peer', 'client/src'],
  ],
  [
    'circles of folders',
    ...CRUISE,
    '.dependency-cruiser-folders.cjs',
    ...['shared/src', 'signaling/src', 'native-peer/src', 'client/src'],
  ],
];

const failed = [];
for (const [name, command, ...args] of CHECKS) {
  const program = command === 'node' ? process.execPath : resolve(root, 'node_modules/.bin', command);
  const { status } = spawnSync(program, args, {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${name}`);
  if (status !== 0) failed.push(name);
}
if (failed.length > 0) console.error(`\n${failed.length} of ${CHECKS.length} checks failed: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
