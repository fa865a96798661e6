/** What the command line says to somebody who meets it for the first time. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { gpuWords } from '../src/cli/doctor.ts';
import { createProgressBar } from '../src/cli/progress-bar.ts';
import { lanUrls } from '../src/peer/lan-urls.ts';
import { startTabmesh } from './tabmesh-process.ts';
import { temporaryFolder } from './temporary-folder.ts';

const run = async (args: readonly string[], environment: Record<string, string> = {}) =>
  startTabmesh(args, { TABMESH_HOME: await temporaryFolder(), ...environment }).ended;

const address = (text: string, family: 'IPv4' | 'IPv6', internal = false) =>
  ({
    address: text,
    family,
    internal,
    netmask: '',
    mac: '',
    cidr: null,
    ...(family === 'IPv6' && { scopeid: 0 }),
  }) as never;

const INTERFACES = {
  lo: [address('127.0.0.1', 'IPv4', true), address('::1', 'IPv6', true)],
  eth0: [address('192.0.2.7', 'IPv4'), address('fe80::1', 'IPv6'), address('2001:db8::7', 'IPv6')],
};

describe('an entry for other machines', () => {
  it('CL40: the ready line is followed by the addresses that others use, and by what they lack without HTTPS', async () => {
    const home = await temporaryFolder();
    const entry = startTabmesh(['entry', '--host', '0.0.0.0', '--public', '--port', '0'], { TABMESH_HOME: home });
    const [, url = ''] = await entry.prints(/^TabMesh ready: (http:\/\/127\.0\.0\.1:\d+)$/m);
    await entry.prints(/HTTPS/);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    entry.child.kill('SIGINT');
    const { stdout } = await entry.ended;
    for (const other of lanUrls(url, '0.0.0.0')) expect(stdout).toContain(other);
  });

  it('CL40: of a wildcard address there is one for each of this machine, of any other one itself', () => {
    const url = 'http://127.0.0.1:8080';
    expect(lanUrls(url, '0.0.0.0', INTERFACES)).toEqual(['http://192.0.2.7:8080']);
    expect(lanUrls(url, '::', INTERFACES)).toEqual(['http://192.0.2.7:8080', 'http://[2001:db8::7]:8080']);
    expect(lanUrls('http://192.0.2.7:80', '192.0.2.7', INTERFACES)).toEqual(['http://192.0.2.7:80']);
    expect(lanUrls(url, '0.0.0.0', { lo: INTERFACES.lo })).toEqual([]);
  });

  it('CL40: an entry of this machine alone prints one line', async () => {
    const entry = startTabmesh(['entry', '--port', '0'], { TABMESH_HOME: await temporaryFolder() });
    await entry.prints(/TabMesh ready/);
    entry.child.kill('SIGINT');
    expect((await entry.ended).stdout.trim().split('\n')).toHaveLength(1);
  });

  it.each([
    ['198.51.100.99', 'no address of this machine'],
    ['no-such-host.invalid', 'no known name'],
    ['127.0.0.1:8080', 'no known name'],
  ])('CL41: --host %s is refused with the next step', async (host, words) => {
    const { code, stderr } = await run(['entry', '--host', host, '--public', '--port', '0']);
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`${words}.*0\\.0\\.0\\.0.*\\(invalid_request\\)`));
  });
});

describe('models, named', () => {
  it('CL42: a model is named with --model or without, and none at all is refused with an example', async () => {
    const none = await run(['serve']);
    expect(none.code).toBe(1);
    expect(none.stderr).toContain('tabmesh serve mesh-tiny');
    for (const args of [
      ['serve', 'qwen3:8b'],
      ['serve', '--model', 'qwen3-8b'],
    ]) {
      const { code, stderr } = await run(args);
      expect(code).toBe(1);
      expect(stderr.trim()).toBe(
        'Qwen3-8B is not downloaded yet. Get it first: npx tabmesh models pull Qwen3-8B (model_not_found)',
      );
    }
    expect((await run(['models', 'rm', 'mesh-tinny'])).stderr).toContain('models ls (model_not_found)');
    expect((await run(['models', 'pull', 'mesh-tinny'])).stderr).toContain('Did you mean mesh-tiny?');
  });

  it('CL48: up refuses a model that is not here before it starts anything', async () => {
    const { code, stdout, stderr } = await run(['up', '--no-open', '--port', '0', '--model', 'qwen3-8b']);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toContain('models pull Qwen3-8B (model_not_found)');
  });
});

describe('logs and progress', () => {
  it('CL43: a TABMESH_LOG that is no level is refused with those that are', async () => {
    const { code, stderr } = await run(['models', 'ls'], { TABMESH_LOG: 'verbose' });
    expect(code).toBe(1);
    expect(stderr).toContain("TABMESH_LOG is 'verbose'. Give one of trace, debug, info, warn, error, silent.");
    expect((await run(['models', 'ls'], { TABMESH_LOG: 'WARN' })).code).toBe(0);
  });

  it('CL44: log lines carry rounded numbers', async () => {
    const source = `
      import { createLogger } from '${join(import.meta.dirname, '../src/cli/logging.ts')}';
      (await createLogger('info')).info({ ms: 12.345678901234, count: 3, none: NaN, text: '1.23456789' }, 'Done.');`;
    const { spawnSync } = await import('node:child_process');
    const args = ['--import', 'tsx', '--input-type=module', '-e', source];
    const { stderr } = spawnSync(process.execPath, args, {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      env: { PATH: '' },
    });
    expect(JSON.parse(stderr)).toMatchObject({ ms: 12.346, count: 3, text: '1.23456789', msg: 'Done.' });
  });

  it('CL45: without a terminal a long download says every 10 s how far it is', () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const written: string[] = [];
    const stream = { isTTY: false, write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream;
    const bar = createProgressBar('Downloading', stream);
    bar.update(0, 2_000_000_000);
    vi.advanceTimersByTime(9_999);
    expect(written).toEqual([]);
    bar.update(500_000_000, 2_000_000_000);
    vi.advanceTimersByTime(1);
    expect(written).toEqual(['Downloading: 25 % · 500.0/2000.0 MB · 50.0 MB/s · 30 s left\n']);
    // A download that stands still shows it.
    vi.advanceTimersByTime(10_000);
    expect(written).toHaveLength(2);
    bar.close();
    bar.close();
    vi.advanceTimersByTime(60_000);
    expect(written).toHaveLength(2);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('doctor', () => {
  it('CL46: doctor knows the TabMesh that has the port, and another program for what it is', async () => {
    const entry = startTabmesh(['entry', '--port', '0'], { TABMESH_HOME: await temporaryFolder() });
    const [, port = ''] = await entry.prints(/TabMesh ready: \S+:(\d+)/);
    const other = createServer((_request, response) => response.end('{"status":"ok"}')).listen(0, '127.0.0.1');
    onTestFinished(() => void other.close());
    await vi.waitUntil(() => other.listening);
    const portOf = async (asked: string) => {
      const { stdout } = await run(['doctor', '--json', '--port', asked]);
      return JSON.parse(stdout).findings.find(({ name }: { name: string }) => name === 'port');
    };
    expect(await portOf(port)).toMatchObject({
      ok: true,
      detail: expect.stringMatching(/TabMesh \S+ runs there already/),
    });
    expect(await portOf(String((other.address() as AddressInfo).port))).toMatchObject({
      ok: false,
      advice: expect.stringContaining('Stop the other program'),
    });
  });

  it('CL47: a graphics processor without memory of its own is told as none', () => {
    const none = 'no GPU: the CPU is used';
    expect(gpuWords({ library: false, names: [], total: 0, free: 0 })).toBe(none);
    expect(gpuWords({ library: 'vulkan', names: ['llvmpipe'], total: 0, free: 0 })).toBe(none);
    expect(gpuWords({ library: 'cuda', names: ['A GPU'], total: 8e9, free: 7e9 })).toBe(
      'A GPU (cuda), 7.0 GB of 8.0 GB free',
    );
  });
});

describe('completion', () => {
  it('CL50: the shell completes commands and flags, by a script that the command prints', async () => {
    for (const shell of ['bash', 'zsh', 'fish', 'powershell']) {
      const { code, stdout } = await run(['complete', shell]);
      expect(code).toBe(0);
      expect(stdout).toContain('tabmesh');
    }
    expect((await run(['complete', '--', 'mo'])).stdout).toMatch(/^models\t/m);
    expect((await run(['complete', '--', 'models', ''])).stdout).toMatch(/^pull\t/m);
    expect((await run(['complete', '--', 'serve', '--gp'])).stdout).toMatch(/^--gpu\t/m);
    expect((await run(['complete', 'no-shell'])).code).toBe(1);
  });
});
