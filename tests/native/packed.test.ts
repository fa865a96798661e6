/** The command as `npm run pack` packs it, installed by npm from the tarball into an empty folder, with scripts on. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { nameAt, nativePackages } from '../../shared/setup/installed-tree.mjs';
import { llamaPackage } from '../../shared/setup/llama-package.mjs';
import { readLockedPackages } from '../../shared/setup/lock-file.mjs';
import { thisMachine } from '../../shared/setup/machine.mjs';
import { npmCommand } from '../../shared/setup/npm-command.mjs';
import { root } from '../setup/command.ts';

/** A build, a tarball of 20 MB and its packages, on two busy cores. */
const INSTALL_MS = 300_000;

let parent = '';
let folder = '';
let installed = '';

beforeAll(() => {
  parent = mkdtempSync(join(tmpdir(), 'tabmesh-packed-'));
  folder = join(parent, 'empty');
  mkdirSync(folder);
  installed = join(folder, 'node_modules/tabmesh');
  run(process.execPath, [join(root, 'shared/setup/pack.mjs'), '--pack-destination', parent], root);
  const tarball = readdirSync(parent).find((name) => name.endsWith('.tgz')) ?? '';
  const { command, args } = npmCommand();
  // What npm has in its cache is taken from there; packages for graphics cards are left out, which are 600 MB.
  const install = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--omit=optional'];
  run(command, [...args, ...install, join(parent, tarball), ...ownNatives()], folder, {
    npm_config_ignore_scripts: 'false',
  });
}, INSTALL_MS);

afterAll(() => rmSync(parent, { recursive: true, force: true }));

/** This machine's own of what comes as machine code: without optional packages npm wants them named. */
function ownNatives(): string[] {
  const packages = readLockedPackages(root);
  const machine = thisMachine();
  const families = nativePackages(packages, machine)
    .map(([place]) => nameAt(place))
    .filter((name) => /^@(libsql|node-datachannel)\//.test(name));
  const names = [llamaPackage(machine), 'node-datachannel', ...families];
  return names.flatMap((name) =>
    name === undefined ? [] : [`${name}@${packages[`node_modules/${name}`]?.version ?? 'latest'}`],
  );
}

function run(command: string, args: readonly string[], cwd: string, environment: NodeJS.ProcessEnv = {}): string {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

function start(args: readonly string[]) {
  // As npx runs it, without npx between this test's signals and the process.
  const child = spawn(process.execPath, [join(installed, 'bin/tabmesh.js'), ...args], {
    cwd: folder,
    env: {
      ...process.env,
      CI: '1',
      PORT: '0',
      TABMESH_HOME: join(parent, 'home'),
      TABMESH_THREADS: '1',
      TABMESH_LOG: 'warn',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (printed += chunk));
  const ready = new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const url = /^TabMesh ready: (\S+)/.exec(line)?.[1];
      if (url !== undefined) resolve(url);
    });
    child.once('exit', (code) => reject(new Error(`It ended with ${code}:\n${printed}`)));
  });
  return { child, ready, printed: () => printed };
}

describe('the packed package', { timeout: 60_000 }, () => {
  it('CL49: it runs outside a clone and answers, embedded models and the web app included', async () => {
    const { child, ready, printed } = start(['up', '--no-open']);
    const url = await ready;
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'mesh-tiny',
        temperature: 0,
        messages: [{ role: 'user', content: 'What does the router measure?' }],
      }),
    });
    expect(response.status).toBe(200);
    expect(JSON.stringify(await response.json())).toContain('router');
    expect(await (await fetch(url)).text()).toContain('<title>');
    expect((await fetch(`${url}/licences.txt`)).status).toBe(200);
    expect(printed()).not.toContain('web app');
    child.kill('SIGINT');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it('CL49: without the web app in it the entry says so', async () => {
    renameSync(join(installed, 'web'), join(installed, 'put-away'));
    onTestFinished(() => renameSync(join(installed, 'put-away'), join(installed, 'web')));
    const { child, ready, printed } = start(['entry']);
    expect((await fetch(`${await ready}/v1/models`)).status).toBe(200);
    expect(printed()).toContain('without the web app');
    child.kill('SIGINT');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it('CL55: it holds compiled JavaScript, its maps and its licences, and depends on packages of the registry alone', () => {
    const { dependencies, optionalDependencies, bin } = JSON.parse(
      readFileSync(join(installed, 'package.json'), 'utf8'),
    );
    const names = Object.keys({ ...dependencies, ...optionalDependencies });
    expect(names.sort()).toEqual(['libsql', 'node-datachannel', 'node-llama-cpp']);
    expect(existsSync(join(installed, bin.tabmesh))).toBe(true);
    const files = readdirSync(installed, { recursive: true, encoding: 'utf8' });
    expect(files.filter((file) => /\.ts$|\.test\./.test(file))).toEqual([]);
    const mapped = files.filter(
      (file) => /^dist.*\.js$/.test(file) && readFileSync(join(installed, file), 'utf8').includes('sourceMappingURL='),
    );
    expect(mapped.length).toBeGreaterThan(20);
    expect(mapped.filter((file) => !files.includes(`${file}.map`))).toEqual([]);
    const licences = readFileSync(join(installed, 'dist/licences.txt'), 'utf8');
    for (const name of ['fastify', 'socket.io', 'zod', 'commander', 'simple-peer']) {
      expect(licences).toMatch(new RegExp(`^${name} \\d.*\\n-+\\n\\n\\S`, 'm'));
    }
  });

  it('CL55: npx finds it, and a program can import it', () => {
    const { command, args } = npmCommand();
    const npx = run(command, [...args, 'exec', '--no', '--', 'tabmesh', '--version'], folder);
    expect(npx.trim()).toMatch(/^\d+\.\d+\.\d+$/);
    const source =
      "const { createIdentity, openServing } = await import('tabmesh'); console.log(typeof createIdentity, typeof openServing)";
    expect(run(process.execPath, ['--input-type=module', '-e', source], folder).trim()).toBe('function function');
  });
});
