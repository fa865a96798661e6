/** The command as `npm pack` gives it, in a folder that is no clone. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it, onTestFinished } from 'vitest';
import { root } from '../setup/command.ts';

/** Each package unpacked where npm would put it, and the packages of others as links to the ones that are here. */
function install(workspaces: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'tabmesh-packed-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, '@tabmesh'), { recursive: true });
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (name.startsWith('.') || ['@tabmesh', 'tabmesh', 'tabmesh-workspace'].includes(name)) continue;
    symlinkSync(join(root, 'node_modules', name), join(modules, name), 'junction');
  }
  for (const [workspace, name] of Object.entries(workspaces)) {
    const packed = run('npm', ['pack', '-w', workspace, '--pack-destination', folder, '--silent'], root).trim();
    const target = join(modules, name);
    mkdirSync(target);
    run('tar', ['-xzf', packed.split('\n').at(-1) ?? '', '-C', target, '--strip-components=1'], folder);
  }
  const own = join(root, 'native-peer/node_modules');
  symlinkSync(own, join(modules, 'tabmesh/node_modules'), 'junction');
  return folder;
}

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
  return stdout;
}

const WORKSPACES = { shared: '@tabmesh/shared', signaling: '@tabmesh/signaling', 'native-peer': 'tabmesh' };

function start(folder: string, args: readonly string[]) {
  const home = join(folder, 'home');
  const child = spawn(process.execPath, [join(folder, 'node_modules/tabmesh/bin/tabmesh.js'), ...args], {
    cwd: folder,
    env: { ...process.env, CI: '1', TABMESH_HOME: home, TABMESH_THREADS: '1', TABMESH_LOG: 'warn' },
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

describe('packed packages', { timeout: 180_000 }, () => {
  it('CL49: they run outside a clone, embedded models included, and say that the web app is missing', async () => {
    const { child, ready, printed } = start(install(WORKSPACES), ['up', '--port', '0', '--no-open']);
    const url = await ready;
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'mesh-tiny', messages: [{ role: 'user', content: 'Hello' }] }),
    });
    expect(response.status).toBe(200);
    expect(printed()).toContain('has no web app');
    child.kill('SIGINT');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it('CL49: with the packed client beside them they serve the web app', async () => {
    const folder = install({ ...WORKSPACES, client: '@tabmesh/client' });
    const { child, ready, printed } = start(folder, ['entry', '--port', '0']);
    expect(await (await fetch(await ready)).text()).toContain('<title>');
    expect(printed()).not.toContain('web app');
    child.kill('SIGINT');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });
});
