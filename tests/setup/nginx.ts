/** A real nginx of one test's own, in front of an entry. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { root } from './command.ts';
import { ensureNginx } from './debian-program.ts';

export interface Nginx extends AsyncDisposable {
  readonly port: number;
}

/** What the README gives people to copy: the inside of its `location`, for another entry. */
export async function readmeLocation(entryUrl: string): Promise<string> {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const inside = /```nginx\nlocation \/ \{\n([^}]+)\}\n```/.exec(readme)?.[1];
  if (inside === undefined || !inside.includes(README_ENTRY)) throw new Error('The README has no settings for nginx.');
  return inside.replace(README_ENTRY, entryUrl);
}

const README_ENTRY = 'http://127.0.0.1:8080';

/** What a hasty person writes: WebSockets, and nginx's own idea of the host. */
export async function hastyLocation(entryUrl: string): Promise<string> {
  return `proxy_pass ${entryUrl}; proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";`;
}

export async function startNginx(location: string): Promise<Nginx> {
  const program = await ensureNginx();
  const folder = await mkdtemp(join(tmpdir(), 'tabmesh-nginx-'));
  const port = await freePort();
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  );
  const settings = `
daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr crit;
events {}
http { access_log off; ${paths.join(' ')}
  server { listen 127.0.0.1:${port}; location / { ${location} } } }`;
  await writeFile(join(folder, 'nginx.conf'), settings);
  const child = spawn(program, ['-c', join(folder, 'nginx.conf'), '-p', folder], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const exited = once(child, 'exit');
  await untilAnswers(`http://127.0.0.1:${port}/healthz`, exited);
  return {
    port,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** nginx says nothing when it listens. */
async function untilAnswers(url: string, exited: Promise<unknown>): Promise<void> {
  let over = false;
  exited.then(() => {
    over = true;
  });
  while (!over) {
    const status = await fetch(url).then(
      (reply) => reply.status,
      () => 0,
    );
    if (status !== 0) return;
    await setTimeout(20);
  }
  throw new Error('nginx ended before it listened.');
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
