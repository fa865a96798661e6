/** A real Redis of one test's own: a free port, nothing on disk. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureRedis } from '../../../tests/setup/debian-program.ts';

export interface TestRedis {
  readonly url: string;
  /** Without a good-bye, as a machine that fails. */
  kill(): Promise<void>;
  /** Its connections stay open, but nothing answers until `resume`. */
  hang(): void;
  resume(): void;
  /** Again on the same port, with what it had when it was killed. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function startRedis(): Promise<TestRedis> {
  const program = await ensureRedis();
  const folder = await mkdtemp(join(tmpdir(), 'tabmesh-redis-'));
  const port = await freePort();
  const start = async () => {
    const child = spawn(
      program,
      ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'yes'].concat(
        '--appendfsync',
        'always',
      ),
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await ready(child);
    return child;
  };
  let child = await start();
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    kill,
    hang() {
      child.kill('SIGSTOP');
    },
    resume() {
      child.kill('SIGCONT');
    },
    async restart() {
      await kill();
      child = await start();
    },
    async close() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function ready({ stdout }: ChildProcess): Promise<void> {
  if (stdout === null) return;
  let output = '';
  for await (const chunk of stdout) {
    output += String(chunk);
    if (output.includes('Ready to accept connections')) break;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
