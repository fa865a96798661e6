/** What `npm start` installs, when, and what it says; npm is a stand-in, its processes and signals are real. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ensurePackages } from '../../shared/setup/ensure-packages.mjs';
import { typedCommandFor, typedReinstallation } from '../../shared/setup/install-command.mjs';
import { announcement } from '../../shared/setup/install-size.mjs';
import { LINUX, type PlantedRepository, plantedRepository } from './planted-repository.ts';

let told: string[] = [];

beforeEach(() => {
  told = [];
  const tell = (line: unknown) => void told.push(String(line));
  vi.spyOn(console, 'log').mockImplementation(tell);
  vi.spyOn(console, 'error').mockImplementation(tell);
  vi.stubEnv('TABMESH_SLIM', '');
});

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const ensure = ({ root }: PlantedRepository, environment: Record<string, string> = {}, machine = LINUX) =>
  ensurePackages(root, { environment, machine, freeBytes: 1e12 });

describe('packages', () => {
  it('CL18: are installed once, and again when the lock file changes', async () => {
    const repository = await plantedRepository();
    await ensure(repository);
    await ensure(repository);
    expect(await repository.calls()).toEqual([expect.stringMatching(/^ci --include=dev --include=optional /)]);
    await repository.relock((packages) => {
      packages['node_modules/tsx'] = { ...packages['node_modules/tsx'], version: '4.0.1' };
    });
    await ensure(repository);
    expect(await repository.calls()).toHaveLength(2);
  });

  it('CL18: that npm installed from this lock file by hand are taken as they are', async () => {
    const repository = await plantedRepository();
    execFileSync(process.execPath, ['bin/npm-cli.js', 'ci'], { cwd: repository.root });
    // A checkout gives the lock file a newer time.
    await utimes(join(repository.root, 'package-lock.json'), new Date(), new Date(Date.now() + 1000));
    await ensure(repository);
    expect(await repository.calls()).toEqual(['ci']);
  });

  it('CL19: an npm that fails is told with the next step, and tried again next time', async () => {
    const repository = await plantedRepository();
    await repository.plant('broken');
    await expect(ensure(repository)).rejects.toThrow(/^npm ci failed;.* Check the network, then try again\.$/);
    await repository.mend('broken');
    await ensure(repository);
    expect(await repository.calls()).toHaveLength(2);
  });

  it.each([
    ['a package is gone', 'node_modules/tsx'],
    ['a native package of this machine is gone', 'node_modules/@esbuild/linux-x64'],
    ["npm's own note of what it has installed is gone", 'node_modules/.package-lock.json'],
  ])('SU1: a broken tree is mended: %s', async (_what, path) => {
    const repository = await plantedRepository();
    await ensure(repository);
    await repository.remove(path);
    await ensure(repository);
    expect(await repository.calls()).toHaveLength(2);
    await ensure(repository);
    expect(await repository.calls()).toHaveLength(2);
  });

  it('SU1: a stamp alone vouches for nothing', async () => {
    const repository = await plantedRepository();
    await ensure(repository);
    const stamp = await readFile(join(repository.root, 'node_modules/.tabmesh-stamp'), 'utf8');
    await repository.remove('node_modules/tsx');
    await repository.plant('hang');
    await stopped(repository, 'SIGKILL');
    await repository.mend('hang');
    await writeFile(join(repository.root, 'node_modules/.tabmesh-stamp'), stamp);
    await ensure(repository);
    await expect(readFile(join(repository.root, 'node_modules/tsx/package.json'), 'utf8')).resolves.toContain('4.0.0');
    expect(await repository.calls()).toHaveLength(3);
  });

  it('SU1: what npm could not get is told once, and asked for again when its version changes', async () => {
    const repository = await plantedRepository();
    await repository.plant('registry-lacks', '@esbuild/linux-x64');
    await ensure(repository);
    expect(told.join('\n')).toContain('npm could not get @esbuild/linux-x64');
    await ensure(repository);
    expect(await repository.calls()).toHaveLength(1);
    await repository.mend('registry-lacks');
    await repository.relock((packages) => {
      packages['node_modules/@esbuild/linux-x64'] = {
        ...packages['node_modules/@esbuild/linux-x64'],
        version: '0.28.3',
      };
    });
    await ensure(repository);
    expect(await repository.calls()).toHaveLength(2);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGKILL'] as const)(
    'SU2: an installation ends with who started it, by %s, and the next start brings everything',
    async (signal) => {
      const repository = await plantedRepository();
      await repository.plant('hang');
      const { npm, output } = await stopped(repository, signal);
      await expect.poll(() => isAlive(npm)).toBe(false);
      if (signal !== 'SIGKILL') {
        expect(output).toBe(
          'The installation was stopped. Start again: it begins anew, with what is downloaded already.',
        );
      }
      await repository.mend('hang');
      await ensure(repository);
      await expect(readFile(join(repository.root, 'node_modules/tsx/package.json'), 'utf8')).resolves.toContain(
        '4.0.0',
      );
    },
  );

  it('SU3: a lock file out of step with package.json is told in one sentence, with the command', async () => {
    const repository = await plantedRepository();
    const changed = { dependencies: { tsx: '4.0.0', 'node-llama-cpp': '3.22.1', zod: '4' } };
    await writeFile(join(repository.root, 'package.json'), JSON.stringify(changed));
    await expect(ensure(repository)).rejects.toThrow(
      'package-lock.json is out of step with package.json (zod). Run: npm install --package-lock-only --ignore-scripts',
    );
    expect(await repository.calls()).toEqual([]);
  });

  it.each(['<<<<<<< HEAD', '{}', 'null'])('SU3: a lock file that holds %s is told in one sentence', async (text) => {
    const repository = await plantedRepository();
    await writeFile(join(repository.root, 'package-lock.json'), text);
    await expect(ensure(repository)).rejects.toThrow('Restore it: git checkout package-lock.json');
  });

  it('SU4: llama.cpp that npm passed over is asked for by name', async () => {
    const repository = await plantedRepository();
    await ensure(repository);
    await repository.remove('node_modules/@node-llama-cpp/linux-x64');
    const note = join(repository.root, 'node_modules/.package-lock.json');
    const { packages } = JSON.parse(await readFile(note, 'utf8'));
    delete packages['node_modules/@node-llama-cpp/linux-x64'];
    await writeFile(note, JSON.stringify({ packages }));
    await ensure(repository);
    expect((await repository.calls()).slice(1)).toEqual([
      expect.stringMatching(/^install --no-save --include=dev --include=optional @node-llama-cpp\/linux-x64@3\.22\.1 /),
    ]);
    await ensure(repository);
    expect(await repository.calls()).toHaveLength(2);
  });

  it('SU4: llama.cpp that npm refuses is told in one sentence, once a day, and the rest is there', async () => {
    const repository = await plantedRepository();
    await repository.plant('registry-lacks', '@node-llama-cpp/linux-x64');
    await ensure(repository);
    expect(told.at(-1)).toMatch(
      /^llama\.cpp is missing: npm could not get @node-llama-cpp\/linux-x64@3\.22\.1\. The web app, the entry and `tabmesh serve --engine …` work without it; to try again: npm install --no-save /,
    );
    await ensure(repository);
    expect(await repository.calls()).toHaveLength(2);
    vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 86_400_001);
    await ensure(repository);
    expect(await repository.calls()).toHaveLength(3);
  });

  it('SU4: where there is no llama.cpp for a machine, npm is not asked', async () => {
    const repository = await plantedRepository();
    await repository.plant('registry-lacks', '@node-llama-cpp/linux-x64');
    await ensurePackages(repository.root, { environment: {}, machine: { ...LINUX, libc: 'musl' }, freeBytes: 1e12 });
    expect(await repository.calls()).toHaveLength(1);
  });

  it('SU5: the size is told before npm is called, and a disk without room refuses', async () => {
    const repository = await plantedRepository();
    await repository.plant('broken');
    await expect(ensure(repository)).rejects.toThrow();
    expect(told[0]).toBe('Installing the packages: about 0.6 GB to download, 1.2 GB on disk …');
    expect(told[1]).toContain('TABMESH_SLIM=1');
    await expect(ensurePackages(repository.root, { environment: {}, machine: LINUX, freeBytes: 1e9 })).rejects.toThrow(
      'but 1.0 GB are free. Make room, or take half with TABMESH_SLIM=1.',
    );
    expect(await repository.calls()).toHaveLength(1);
    const mac = { platform: 'darwin', arch: 'arm64' };
    expect(announcement({ machine: mac, isSlim: false, freeBytes: 1e12 })).toHaveLength(1);
  });

  it('SU6: TABMESH_SLIM installs this machine’s packages without those for graphics cards, and stays so', async () => {
    const repository = await plantedRepository();
    await ensure(repository, { TABMESH_SLIM: '1' });
    const { packages } = JSON.parse(await readFile(join(repository.root, 'node_modules/.package-lock.json'), 'utf8'));
    expect(Object.keys(packages).sort()).toEqual([
      'node_modules/@esbuild/linux-x64',
      'node_modules/@node-llama-cpp/linux-x64',
      'node_modules/node-llama-cpp',
      'node_modules/tsx',
    ]);
    const calls = await repository.calls();
    expect(calls.every((call) => call.includes('--omit=optional'))).toBe(true);
    await ensure(repository);
    await repository.remove('node_modules/tsx');
    await ensure(repository);
    const later = (await repository.calls()).slice(calls.length);
    expect(later).toHaveLength(calls.length);
    expect(later.every((call) => call.includes('--omit=optional'))).toBe(true);
    await repository.remove('node_modules/tsx');
    await ensure(repository, { TABMESH_SLIM: '0' });
    expect((await repository.calls()).at(-1)).toContain('--include=optional');
  });

  it('SU17: the command that brings llama.cpp into a slim installation brings nothing for graphics cards', async () => {
    const repository = await plantedRepository();
    const typed = () => typedCommandFor('@node-llama-cpp/linux-x64@3.22.1', repository.root, LINUX);
    await ensure(repository);
    expect(typed()).toBe('npm install --no-save @node-llama-cpp/linux-x64@3.22.1');
    expect(typedReinstallation(repository.root)).not.toContain('SLIM');
    await repository.remove('node_modules');
    await ensure(repository, { TABMESH_SLIM: '1' });
    expect(typedReinstallation(repository.root)).toContain('TABMESH_SLIM=1 npm start');
    await repository.remove('node_modules/@node-llama-cpp');
    const [npm, ...args] = typed().split(' ');
    expect(npm).toBe('npm');
    execFileSync(process.execPath, ['bin/npm-cli.js', ...args], { cwd: repository.root });
    const { packages } = JSON.parse(await readFile(join(repository.root, 'node_modules/.package-lock.json'), 'utf8'));
    expect(Object.keys(packages).sort()).toEqual([
      'node_modules/@esbuild/linux-x64',
      'node_modules/@node-llama-cpp/linux-x64',
      'node_modules/node-llama-cpp',
      'node_modules/tsx',
    ]);
  });
});

/** Starts an installation, waits until npm is half-way, and ends the one that started it. */
async function stopped({ root }: PlantedRepository, signal: NodeJS.Signals): Promise<{ npm: number; output: string }> {
  const module = pathToFileURL(join(import.meta.dirname, '../../shared/setup/ensure-packages.mjs')).href;
  const script = `
    import { ensurePackages } from ${JSON.stringify(module)};
    const options = { environment: {}, machine: ${JSON.stringify(LINUX)}, freeBytes: 1e12 };
    await ensurePackages(${JSON.stringify(root)}, options).catch((error) => {
      console.error(error.message);
      process.exit(error.exitCode);
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  child.stderr.on('data', (data) => {
    output += data;
  });
  const closed = once(child, 'exit');
  const pid = await vi.waitFor(async () => {
    const text = await readFile(join(root, 'npm.pid'), 'utf8');
    expect(text).not.toBe('');
    return Number(text);
  }, 20_000);
  child.kill(signal);
  const [code] = await closed;
  if (signal !== 'SIGKILL') expect(code).toBe(130);
  return { npm: pid, output: output.trim() };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
