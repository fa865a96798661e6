/** A real nginx of one test's own, in front of an entry, as the README's section on deployment writes it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { ensureNginx } from './debian-program.ts';

export interface Nginx extends AsyncDisposable {
  readonly port: number;
}

/** What the README gives people to copy, between `location / {` and `}`. */
export const README_LOCATION = `
proxy_http_version 1.1;
proxy_set_header Host $host;
proxy_set_header Upgrade $http_upgrade;
proxy_set_header Connection "upgrade";
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_buffering off;
proxy_read_timeout 1h;`;

/** What a hasty person writes: WebSockets, and nginx's own idea of the host. */
export const HASTY_LOCATION = `
proxy_http_version 1.1;
proxy_set_header Upgrade $http_upgrade;
proxy_set_header Connection "upgrade";`;

export async function startNginx(entryUrl: string, location: string): Promise<Nginx> {
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
  server { listen 127.0.0.1:${port}; location / { proxy_pass ${entryUrl}; ${location} } } }`;
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
