/**
 * By which names a browser reaches an entry. DNS is the browser's own table here: `evil.example` has just been made to lead
 * to this machine, as a page can have it done whose owner runs its name server, and `mesh.example.org` leads to a proxy.
 */
import { hostname, networkInterfaces } from 'node:os';
import type { Mesh } from '@tabmesh/shared';
import { accessSettings, type Entry } from '@tabmesh/signaling';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, openChat } from '../setup/chat-page.ts';
import { INSTALL_TIMEOUT_MS } from '../setup/debian-program.ts';
import { hastyLocation, readmeLocation, startNginx } from '../setup/nginx.ts';
import { openProfile, type Profile } from '../setup/profile.ts';
import { createEchoEngine, startMember, startTestEntry, untilMesh } from '../setup/test-mesh.ts';

const KEY = 'alice-k9x8w7v6u5t4s3r2';
const MACHINE = hostname().split('.')[0];
/** By which a phone in the same network opens the page. */
const ADDRESS = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
const HOSTS = ['127.0.0.1', 'localhost', ...(ADDRESS === undefined ? [] : [ADDRESS]), `${MACHINE}.local`, `${MACHINE}`];
const TABLE = ['evil.example', 'mesh.example.org', `${MACHINE}`, `${MACHINE}.local`];

let entry: Entry;
let member: Mesh;
let profile: Profile;
let page: Page;
let port: string;

beforeAll(async () => {
  entry = await startTestEntry({
    host: '0.0.0.0',
    access: accessSettings({ keys: `alice:${KEY}`, hosts: 'mesh.example.org', proxies: '127.0.0.1' }),
  });
  ({ port } = new URL(entry.url));
  member = startMember(entry.url, createEchoEngine('echo', 2));
  await untilMesh(entry.mesh, () => entry.mesh.models().length === 1);
  const rules = TABLE.map((name) => `MAP ${name} 127.0.0.1`).join(', ');
  profile = await openProfile({ flags: [`--host-resolver-rules=${rules}`] });
  page = profile.page;
});

afterAll(async () => {
  await profile?.[Symbol.asyncDispose]();
  await member?.close();
  await entry?.close();
});

/** What a page reads at an address of its own origin. */
interface Read {
  readonly status: number;
  readonly code: string | undefined;
}

function readAs(target: Page, path: string, asked: Asked = {}): Promise<Read> {
  return target.evaluate(
    async ([address, options]) => {
      const reply = await fetch(address, { referrerPolicy: 'same-origin', ...options });
      const read = await reply.json().catch(() => undefined);
      return { status: reply.status, code: read?.error?.code };
    },
    [path, asked] as const,
  );
}

interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** Whether a page's WebSocket to its own origin opens. */
function joinsAs(target: Page): Promise<boolean> {
  return target.evaluate(
    () =>
      new Promise<boolean>((resolve) => {
        const socket = new WebSocket(`ws://${location.host}/socket.io/?EIO=4&transport=websocket`);
        socket.onmessage = () => resolve(true);
        socket.onclose = () => resolve(false);
      }),
  );
}

const json = { 'content-type': 'application/json' };
const body = JSON.stringify({ model: 'echo', messages: [{ role: 'user', content: 'Hi' }] });

describe('a page whose name was made to lead to the entry', () => {
  it('KY17: reads nothing, asks nothing, gets no token and opens no socket', async () => {
    const rebound = await profile.context.newPage();
    // What stands there matters little: its scripts are of the origin that an earlier answer of this name would have.
    await rebound.goto(`http://evil.example:${port}/`);
    const refused = { status: 403, code: 'forbidden_host' };

    for (const path of [
      '/api/status',
      '/v1/models',
      '/api/metrics',
      '/contribute',
      '/socket.io/?EIO=4&transport=polling',
    ]) {
      expect(await readAs(rebound, path)).toEqual(refused);
    }
    expect(await readAs(rebound, '/api/page-token', { method: 'POST' })).toEqual(refused);
    for (const path of ['/api/chat', '/v1/chat/completions']) {
      const headers = { ...json, authorization: `Bearer ${KEY}`, 'x-forwarded-host': '127.0.0.1' };
      expect(await readAs(rebound, path, { method: 'POST', headers, body })).toEqual(refused);
    }
    expect(await joinsAs(rebound)).toBe(false);
    await rebound.close();
  });
});

describe('a page of the entry', () => {
  it.each(HOSTS)('KY17: chats at %s, without a key where there are keys', async (host) => {
    await openChat(page, `http://${host}:${port}`);
    expect((await ask(page, 'here I am')).text).toContain('here I am');
    expect(await joinsAs(page)).toBe(true);
    expect(await readAs(page, '/api/chat', { method: 'POST', headers: json, body })).toEqual({
      status: 401,
      code: 'invalid_api_key',
    });
    expect(await chatsByToken(page)).toBe(200);
  });

  it.each([
    ['the README’s settings', readmeLocation],
    ['settings that leave the host to nginx', hastyLocation],
  ])(
    'KY18: chats at a configured name behind a real nginx with %s, and at no other',
    async (_which, location) => {
      await using nginx = await startNginx(await location(entry.url));
      const url = `http://mesh.example.org:${nginx.port}`;

      await openChat(page, url);

      expect((await ask(page, 'through nginx')).text).toContain('through nginx');
      expect(await joinsAs(page)).toBe(true);
      expect(await chatsByToken(page)).toBe(200);
      const script = await fetch(`http://127.0.0.1:${nginx.port}/api/chat`, { method: 'POST', headers: json, body });
      expect(script.status).toBe(401);
      // The same page under a name that is not configured: nginx with its own idea of the host hides it from the entry, the
      // page's origin does not.
      const stranger = await profile.context.newPage();
      await stranger.goto(`http://evil.example:${nginx.port}/`);
      expect(await joinsAs(stranger)).toBe(false);
      expect((await readAs(stranger, '/api/page-token', { method: 'POST' })).status).toBe(403);
      await stranger.close();
    },
    INSTALL_TIMEOUT_MS,
  );
});

/** As the web app asks when an outside provider may answer. */
function chatsByToken(target: Page): Promise<number> {
  return target.evaluate(
    async ([headers, text]) => {
      const own: RequestInit = { method: 'POST', referrerPolicy: 'same-origin' };
      const { token } = await (await fetch('/api/page-token', own)).json();
      const reply = await fetch('/api/chat', { ...own, headers: { ...headers, 'x-tabmesh-page': token }, body: text });
      await reply.text();
      return reply.status;
    },
    [json, body] as const,
  );
}
