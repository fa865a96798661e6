/** The command line without a mesh: help, flags, refusals. */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { CATALOG } from '@tabmesh/shared';
import type { Command } from 'commander';
import { describe, expect, it, onTestFinished } from 'vitest';
import { rawRequest } from '../../signaling/test/setup/raw-request.ts';
import { createProgram } from '../src/cli/cli.ts';
import { dropDisabledFlags } from '../src/cli/options.ts';
import { startFileServer } from './file-server.ts';
import { writeHugeModel } from './huge-model.ts';
import { startTabmesh } from './tabmesh-process.ts';
import { temporaryFolder } from './temporary-folder.ts';

const run = async (args: readonly string[], environment: Record<string, string> = {}) =>
  startTabmesh(args, { TABMESH_HOME: await temporaryFolder(), ...environment }).ended;

const leaves = (command: Command): readonly Command[] =>
  command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);

describe('command line', () => {
  it('CL1: every flag of every command has an environment variable, and the help names it', () => {
    for (const command of leaves(createProgram())) {
      for (const option of command.options) {
        expect(option.envVar ?? option.description, `${command.name()} ${option.flags}`).toMatch(/TABMESH_[A-Z0-9_]+/);
      }
      expect(command.helpInformation()).toContain('Usage: ');
      expect(command.description()).not.toBe('');
    }
  });

  it('CL2: an error is one sentence with its code on stderr, exit code 1, no stack', async () => {
    const { code, stdout, stderr } = await run(['serve', '--model', 'no-such-model']);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr.trim()).toMatch(/^'no-such-model' is neither .*models ls \(model_not_found\)$/);
  });

  it('CL3: a flag or a variable with a value that makes no sense is refused with what would make sense', async () => {
    for (const [args, environment] of [
      [['serve', '--model', 'mesh-tiny', '--slots', '0'], {}],
      [['serve', '--model', 'mesh-tiny'], { TABMESH_THREADS: 'many' }],
      [['serve', '--model', 'mesh-tiny', '--join', 'nowhere'], {}],
      [['entry'], { PORT: 'eighty' }],
    ] as const) {
      const { code, stderr } = await run(args, environment);
      expect(code).toBe(1);
      expect(stderr).toMatch(/Give (a whole number|an address)/);
    }
  });

  it('CL4: an address that others can reach needs --public, and a variable that says no is no yes', async () => {
    for (const environment of [{}, { TABMESH_PUBLIC: '0' }]) {
      const { code, stderr } = await run(['entry', '--host', '0.0.0.0', '--port', '0'], environment);
      expect(code).toBe(1);
      expect(stderr).toContain('--public');
      expect(stderr).toContain('(invalid_request)');
    }
    const environment = { TABMESH_PUBLIC: '1', TABMESH_JSON: 'false' };
    dropDisabledFlags(environment);
    expect(environment).toEqual({ TABMESH_PUBLIC: '1' });
  });

  it.each<[string, string[], Record<string, string>]>([
    ['flags', ['--allowed-hosts', 'mesh.example.org,other.example', '--trusted-proxies', '127.0.0.1'], {}],
    [
      'variables',
      [],
      { TABMESH_ALLOWED_HOSTS: 'other.example, mesh.example.org', TABMESH_TRUSTED_PROXIES: '10.0.0.0/8, loopback' },
    ],
  ])('CL52: an entry takes its names and its proxies from %s', async (_how, args, environment) => {
    const entry = startTabmesh(['entry', '--port', '0', ...args], {
      TABMESH_HOME: await temporaryFolder(),
      ...environment,
    });
    const [, url = ''] = await entry.prints(/TabMesh ready: (\S+)/);
    const statusOf = async (...headers: string[]) =>
      (await rawRequest(url, ['GET /healthz HTTP/1.1', 'Connection: close', ...headers])).status;
    expect(await statusOf('Host: mesh.example.org')).toBe(200);
    expect(await statusOf('Host: other.example:8443')).toBe(200);
    expect(await statusOf('Host: evil.example')).toBe(403);
    expect(await statusOf('Host: 127.0.0.1', 'X-Forwarded-Host: evil.example')).toBe(403);
    entry.child.kill('SIGINT');
    await entry.ended;
  });

  it.each([
    [['--allowed-hosts', '*'], '--allowed-hosts'],
    [['--trusted-proxies', 'everybody'], '--trusted-proxies'],
  ])('CL52: names and proxies that make no sense are refused: %j', async (args, flag) => {
    const { code, stderr } = await run(['entry', '--port', '0', ...args]);
    expect(code).toBe(1);
    expect(stderr).toContain(flag);
    expect(stderr).toContain('(invalid_request)');
  });

  it.each(['0', '-1', 'many'])('CL54: %s members of a network are refused by the name of the flag', async (count) => {
    const { code, stderr } = await run(['entry', '--port', '0', '--members-per-network', count]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/--members-per-network.*whole number/);
  });

  it('CL5: a port that is taken is named, with the next step', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { code, stderr } = await run(['entry'], { TABMESH_PORT: String(port) });
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`Port ${port} is taken.*PORT=.*\\(port_in_use\\)`));
  });

  it('CL6: a TABMESH_HOME that can not be written is named, with the next step', async () => {
    const file = join(await temporaryFolder(), 'file');
    await writeFile(file, '');
    for (const args of [
      ['models', 'ls'],
      ['entry', '--port', '0'],
      ['serve', '--model', 'mesh-tiny'],
    ]) {
      const { code, stderr } = await run(args, { TABMESH_HOME: join(file, 'home') });
      expect(code).toBe(1);
      expect(stderr).toMatch(/TABMESH_HOME=.*\(home_not_writable\)/);
    }
  });

  it('CL7: Ctrl-C stops a pull, and the next pull brings the model', async () => {
    const home = { TABMESH_HOME: await temporaryFolder() };
    const server = await startFileServer(Buffer.concat([Buffer.from('GGUF'), Buffer.alloc(1_999_996, 'x')]));
    server.manners.holdAfterBytes = 1_000_000;
    const first = startTabmesh(['models', 'pull', server.url], home);
    await server.requested;
    first.child.kill('SIGINT');
    const stopped = await first.ended;
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toContain('goes on where it stopped');
    server.manners.holdAfterBytes = undefined;
    const second = await startTabmesh(['models', 'pull', server.url], home).ended;
    expect(second.stdout).toContain('Pulled model, 2.0 MB');
    const listed = await startTabmesh(['models', 'ls', '--json'], home).ended;
    expect(JSON.parse(listed.stdout)).toContainEqual(expect.objectContaining({ id: 'model', state: 'downloaded' }));
  });

  it('CL21: models ls and doctor say of every model of the catalog whether it fits this machine', async () => {
    const home = { TABMESH_HOME: await temporaryFolder() };
    await writeHugeModel(join(home.TABMESH_HOME, 'models', 'huge.gguf'));
    const text = (await run(['models', 'ls'], home)).stdout;
    expect(text).toMatch(/^mesh-tiny .* fits$/m);
    expect(text).toMatch(/^huge .* needs [\d.]+ GB of memory$/m);
    const listed: { id: string; fits: boolean }[] = JSON.parse((await run(['models', 'ls', '--json'], home)).stdout);
    const { findings } = JSON.parse((await run(['doctor', '--json', '--port', '0'], home)).stdout);
    const { detail } = findings.find(({ name }: { name: string }) => name === 'fits');
    for (const { id } of CATALOG) {
      expect(listed.filter((model) => model.id === id)).toMatchObject([{ fits: expect.any(Boolean) }]);
      expect(detail).toContain(id);
    }
  });

  it('CL8: doctor looks at everything that a peer needs', async () => {
    const { code, stdout } = await run(['doctor', '--json', '--port', '0']);
    const { ok, findings } = JSON.parse(stdout);
    expect(ok).toBe(true);
    expect(code).toBe(0);
    const names = findings.map((finding: { name: string }) => finding.name);
    expect(names).toEqual(['node', 'home', 'memory', 'llama.cpp', 'gpu', 'fits', 'webrtc', 'port', 'model', 'model']);
  });
});
