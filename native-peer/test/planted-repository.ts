/**
 * A repository of three packages with an npm that fills node_modules as the real one does, but from nothing: it notes what
 * it was asked, passes over what the registry lacks, and hangs half-way when it is told to.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { vi } from 'vitest';
import { temporaryFolder } from './temporary-folder.ts';

export const LINUX = { platform: 'linux', arch: 'x64', libc: 'glibc' } as const;

const LLAMA = '3.22.1';
const native = { optional: true, os: ['linux'], cpu: ['x64'] };
const packageJson = { name: 'planted', dependencies: { tsx: '4.0.0', 'node-llama-cpp': LLAMA } };
type Locked = Record<string, { readonly version?: string; readonly [field: string]: unknown }>;

const packages: Locked = {
  '': packageJson,
  'node_modules/tsx': { version: '4.0.0', integrity: 'sha512-x' },
  'node_modules/node-llama-cpp': { version: LLAMA, integrity: 'sha512-x' },
  'node_modules/@esbuild/linux-x64': { version: '0.28.2', integrity: 'sha512-x', ...native },
  'node_modules/@esbuild/win32-x64': { version: '0.28.2', integrity: 'sha512-x', ...native, os: ['win32'] },
  'node_modules/@node-llama-cpp/linux-x64': { version: LLAMA, ...native, libc: ['glibc'] },
  'node_modules/@node-llama-cpp/linux-x64-cuda': { version: LLAMA, ...native, libc: ['glibc'] },
  'node_modules/@node-llama-cpp/mac-x64': { version: LLAMA, ...native, os: ['darwin'] },
};

const NPM = `
const { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const [command, ...args] = process.argv.slice(2);
appendFileSync('calls.txt', process.argv.slice(2).join(' ') + '\\n');
if (existsSync('broken')) process.exit(1);
const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const lacks = existsSync('registry-lacks') ? readFileSync('registry-lacks', 'utf8').split('\\n') : [];
const note = 'node_modules/.package-lock.json';
if (command === 'ci') rmSync('node_modules', { recursive: true, force: true });
const installed = existsSync(note) ? JSON.parse(readFileSync(note, 'utf8')).packages : {};
const nameOf = (place) => place.slice('node_modules/'.length);
const install = (place) => {
  mkdirSync(place, { recursive: true });
  writeFileSync(place + '/package.json', JSON.stringify({ version: packages[place].version }));
  installed[place] = packages[place];
};
const named = args.filter((arg) => !arg.startsWith('-')).map((arg) => arg.slice(0, arg.lastIndexOf('@')));
if (named.some((name) => lacks.includes(name))) process.exit(1);
// Optional packages that are left out go, those too that an earlier command named.
for (const place of Object.keys(installed)) {
  if (!args.includes('--omit=optional') || !packages[place].optional) continue;
  rmSync(place, { recursive: true, force: true });
  delete installed[place];
}
for (const [place, entry] of Object.entries(packages)) {
  if (place === '') continue;
  const suits = !entry.optional || (entry.os.includes('linux') && !args.includes('--omit=optional'));
  if (named.includes(nameOf(place)) || (suits && !lacks.includes(nameOf(place)))) install(place);
  if (existsSync('hang')) {
    writeFileSync('npm.pid', String(process.pid));
    return setInterval(() => {}, 1000);
  }
}
writeFileSync(note, JSON.stringify({ packages: installed }));
`;

export interface PlantedRepository {
  readonly root: string;
  /** npm's arguments, call by call. */
  calls(): Promise<string[]>;
  /** Makes the npm hang half-way, fail, or miss packages. */
  plant(fault: 'hang' | 'broken' | 'registry-lacks', text?: string): Promise<void>;
  mend(fault: 'hang' | 'broken' | 'registry-lacks'): Promise<void>;
  remove(path: string): Promise<void>;
  /** Changes what package-lock.json holds. */
  relock(change: (packages: Locked) => void): Promise<void>;
}

export async function plantedRepository(): Promise<PlantedRepository> {
  const root = await temporaryFolder();
  const write = (path: string, value: unknown) => writeFile(join(root, path), JSON.stringify(value));
  await write('package.json', packageJson);
  await write('package-lock.json', { packages });
  await mkdir(join(root, 'bin'));
  await writeFile(join(root, 'bin/npm-cli.js'), NPM);
  vi.stubEnv('npm_execpath', join(root, 'bin/npm-cli.js'));
  return {
    root,
    async calls() {
      const text = await readFile(join(root, 'calls.txt'), 'utf8').catch(() => '');
      return text.split('\n').filter((line) => line !== '');
    },
    plant: (fault, text = '') => writeFile(join(root, fault), text),
    mend: (fault) => rm(join(root, fault)),
    remove: (path) => rm(join(root, path), { recursive: true }),
    async relock(change) {
      const lock = structuredClone(packages);
      change(lock);
      await write('package-lock.json', { packages: lock });
    },
  };
}
