/** A program that a suite needs beside Node: the one on the machine, else the distribution's package. */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Long enough to install it. */
export const INSTALL_TIMEOUT_MS = 300_000;

/** Redis' server, from Debian's `redis-server`. */
export const ensureRedis = () => ensureProgram('redis-server', 'redis-server');

/** Prometheus' checker, from Debian's `prometheus`. */
export const ensurePromtool = () => ensureProgram('promtool', 'prometheus');

/** nginx, from Debian's package. */
export const ensureNginx = () => ensureProgram('nginx', 'nginx-light');

async function ensureProgram(program: string, debianPackage: string): Promise<string> {
  if (isThere(program)) return program;
  if (process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    console.log(`No ${program} on this machine: installing the package '${debianPackage}' …`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    await run('apt-get', ['update', '-qq'], { env });
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', debianPackage], { env });
    if (isThere(program)) return program;
  }
  throw new Error(`These tests need '${program}'. Install Debian's package '${debianPackage}', or put it on the PATH.`);
}

function isThere(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;
}
