/** What differs between systems when the set-up calls npm and ends it, with the other systems put in for this one. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { satisfies } from 'semver';
import { describe, expect, it } from 'vitest';
import { endTree } from '../../shared/setup/end-tree.mjs';
import { llamaPackage } from '../../shared/setup/llama-package.mjs';
import { admits, thisMachine } from '../../shared/setup/machine.mjs';
import { wrongNode } from '../../shared/setup/node-version.mjs';
import { npmCommand } from '../../shared/setup/npm-command.mjs';

const root = join(import.meta.dirname, '../..');

describe('npm', () => {
  it('SU7: on Windows npm’s script is run by Node itself, from a folder with blanks, without a shell', () => {
    const execPath = 'C:\\Program Files\\nodejs\\node.exe';
    const script = 'C:\\Program Files\\nodejs\\node_modules\\npm\\bin\\npm-cli.js';
    const command = npmCommand({ platform: 'win32', execPath, environment: {}, exists: (path) => path === script });
    expect(command).toEqual({ command: execPath, args: [script], shell: false });
  });

  it('SU7: on Windows without that script the batch file is left to a shell, which alone can run it', () => {
    const execPath = 'C:\\Tools\\node.exe';
    const command = npmCommand({ platform: 'win32', execPath, environment: {}, exists: () => false });
    expect(command).toEqual({ command: 'npm', args: [], shell: true });
  });

  it('SU7: elsewhere npm’s script lies beside Node as well, and is looked for in PATH otherwise', () => {
    const execPath = '/opt/Node 24/bin/node';
    const script = '/opt/Node 24/lib/node_modules/npm/bin/npm-cli.js';
    const surroundings = { platform: 'darwin', execPath, environment: {} };
    expect(npmCommand({ ...surroundings, exists: (path) => path === script }).args).toEqual([script]);
    const inPath = { command: 'npm', args: [], shell: false };
    expect(npmCommand({ ...surroundings, exists: () => false })).toEqual(inPath);
  });

  it('SU7: the npm that runs the command is used, and no other program that calls itself one', () => {
    const surroundings = { platform: 'linux', execPath: '/usr/bin/node', exists: () => false };
    const running = '/home/zoë/npm/bin/npm-cli.js';
    expect(npmCommand({ ...surroundings, environment: { npm_execpath: running } }).args).toEqual([running]);
    for (const other of ['/usr/lib/yarn/bin/yarn.js', '/usr/lib/pnpm/bin/pnpm.cjs']) {
      expect(npmCommand({ ...surroundings, environment: { npm_execpath: other } }).command).toBe('npm');
    }
  });

  it('SU7: its whole tree is ended, by taskkill on Windows and by its process group elsewhere', () => {
    const done: unknown[] = [];
    const run = (command: string, args: readonly string[]) => done.push([command, ...args]);
    const kill = (pid: number, signal: string) => done.push([pid, signal]);
    endTree(42, { platform: 'win32', run, kill });
    endTree(42, { platform: 'darwin', run, kill });
    expect(done).toEqual([
      ['taskkill', '/pid', '42', '/T', '/F'],
      [-42, 'SIGKILL'],
    ]);
  });
});

describe('a machine', () => {
  it('SU8: a Node is refused in one sentence exactly where package.json does not promise it', () => {
    const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const versions = ['18.20.8', '20.18.3', '20.19.0', '20.20.2', '21.7.3', '22.12.0', '22.13.0', '23.11.1', '24.0.0'];
    for (const version of [...versions, '25.1.0', '26.12.0']) {
      expect([version, wrongNode(version) === undefined]).toEqual([version, satisfies(version, engines.node)]);
    }
    expect(wrongNode('18.20.8')).toMatch(/^TabMesh needs Node 20\.19.* Get one from https:\/\/nodejs\.org$/);
  });

  it.each([
    [{ os: ['linux'], cpu: ['x64'], libc: ['glibc'] }, true],
    [{ os: ['linux'], cpu: ['x64'], libc: ['musl'] }, false],
    [{ os: ['linux'], cpu: ['arm64'] }, false],
    [{ os: ['!win32'] }, true],
    [{ os: ['!linux'] }, false],
    [{}, true],
  ])('SU9: takes packages as npm does: %o', (wants, expected) => {
    expect(admits(wants, { platform: 'linux', arch: 'x64', libc: 'glibc' })).toBe(expected);
  });

  it('SU9: has a llama.cpp of its own on every promised system, except on Linux without glibc', () => {
    const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
    const machines = [
      { platform: 'darwin', arch: 'arm64' },
      { platform: 'darwin', arch: 'x64' },
      { platform: 'win32', arch: 'arm64' },
      { platform: 'win32', arch: 'x64' },
      { platform: 'linux', arch: 'arm64', libc: 'glibc' },
      { platform: 'linux', arch: 'x64', libc: 'glibc' },
    ];
    for (const machine of machines) {
      const locked = packages[`node_modules/${llamaPackage(machine)}`];
      expect([machine, locked !== undefined && admits(locked, machine)]).toEqual([machine, true]);
    }
    expect(llamaPackage({ platform: 'linux', arch: 'x64', libc: 'musl' })).toBeUndefined();
    expect(admits(packages[`node_modules/${llamaPackage(thisMachine())}`] ?? {}, thisMachine())).toBe(true);
  });
});
