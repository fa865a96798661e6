/** The command as `npm run pack` packs it, installed by npm from the tarball into an empty folder, with scripts on. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { npmCommand } from '../../shared/setup/npm-command.mjs';
import { root } from '../setup/command.ts';

/** A build, a tarball of 20 MB and its packages, on two busy cores. */
const INSTALL_MS = 300_000;

const docker = join(root, 'native-peer/docker');

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
  install(join(parent, tarball));
}, INSTALL_MS);

afterAll(() => rmSync(parent, { recursive: true, force: true }));

/** With scripts on. What npm has in its cache is taken from there. */
function install(tarball: string): void {
  const scripts = { npm_config_ignore_scripts: 'false', npm_config_prefer_offline: 'true' };
  if (process.platform === 'linux') {
    // As the image does it: without the packages for graphics cards, which are 600 MB.
    run('sh', [join(docker, 'install.sh'), tarball], folder, scripts);
    return;
  }
  const { command, args } = npmCommand();
  run(command, [...args, 'install', '--no-audit', '--no-fund', tarball], folder, scripts);
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

  it('CL62: it holds compiled JavaScript, its maps and its licences, and depends on packages of the registry alone', () => {
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

  it('CL62: npx finds it, and a program can import it', () => {
    const { command, args } = npmCommand();
    const npx = run(command, [...args, 'exec', '--no', '--', 'tabmesh', '--version'], folder);
    expect(npx.trim()).toMatch(/^\d+\.\d+\.\d+$/);
    const source =
      "const { createIdentity, openServing } = await import('tabmesh'); console.log(typeof createIdentity, typeof openServing)";
    expect(run(process.execPath, ['--input-type=module', '-e', source], folder).trim()).toBe('function function');
  });
});

/** The steps of a Dockerfile, lines that go on put together, comments left out. */
function stepsOf(file: string): { readonly name: string; readonly text: string }[] {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => !/^\s*(#|$)/.test(line))
    .join('\n')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n');
  return lines.map((line) => ({ name: line.split(' ', 1)[0] ?? '', text: line.slice(line.indexOf(' ') + 1) }));
}

describe('the image', { timeout: 60_000 }, () => {
  const steps = stepsOf(join(docker, 'Dockerfile'));
  const of = (name: string) => steps.filter((step) => step.name === name).map(({ text }) => text);

  it('SU18: every step of the Dockerfile is a known one, and what it copies and runs is there', () => {
    const known = 'FROM WORKDIR COPY RUN ENV USER VOLUME EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT CMD'.split(' ');
    expect(steps.filter(({ name }) => !known.includes(name))).toEqual([]);
    for (const text of of('FROM')) expect(text).toMatch(/^node:24-bookworm-slim( AS build)?$/);
    const copied = of('COPY').filter((text) => !text.startsWith('--from=build'));
    expect(copied.length).toBeGreaterThan(5);
    for (const text of copied) {
      for (const path of text.split(' ').slice(0, -1)) expect(existsSync(join(root, path)), path).toBe(true);
    }
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const npmRuns = [
      ...of('RUN')
        .join(' ')
        .matchAll(/npm run (\S+)/g),
    ].map(([, script]) => script ?? '');
    expect(npmRuns).toEqual(['build', 'pack']);
    for (const script of npmRuns) expect(Object.keys(scripts)).toContain(script);
  });

  it('SU18: every setting of the image and of the compose file is one that the command knows', () => {
    const help = ['entry', 'up'].map((name) =>
      run(process.execPath, [join(installed, 'bin/tabmesh.js'), name, '--help'], folder),
    );
    const texts = ['Dockerfile', 'compose.yaml'].map((file) => readFileSync(join(docker, file), 'utf8')).join('\n');
    const settings = new Set([...texts.matchAll(/\b(?:TABMESH_[A-Z_]+|REDIS_URL)\b/g)].map(([name]) => name));
    // Of the set-up, which the image runs as well.
    settings.delete('TABMESH_SLIM');
    expect(settings.size).toBeGreaterThan(4);
    for (const name of settings) expect(help.join('\n')).toContain(name);
  });

  it('SU18: started as the image starts it, it answers, and the health check holds', async () => {
    const [, ...entrypoint] = JSON.parse(of('ENTRYPOINT')[0] ?? '[]') as string[];
    expect(entrypoint).toEqual(['/app/node_modules/tabmesh/bin/tabmesh.js']);
    const given = JSON.parse(of('CMD')[0] ?? '[]') as string[];
    const { child, ready } = start(given.map((word) => (word === '8080' ? '0' : word)));
    const url = await ready;
    const body = { model: 'mesh-tiny', messages: [{ role: 'user', content: 'Hello' }] };
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(200);
    const check = /CMD (\[.*\])$/.exec(of('HEALTHCHECK')[0] ?? '')?.[1] ?? '[]';
    const [, ...words] = JSON.parse(check) as string[];
    const health = words.map((word) => word.replace('http://127.0.0.1:8080', url));
    expect(health.join(' ')).toContain(url);
    expect(run(process.execPath, health, folder)).toBe('');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(() => run(process.execPath, health, folder)).toThrow();
  });
});
