/** By which names an entry may be called, asked of a whole one over real sockets. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { createIdentity, createSocketIoSignaling, type Logger, silentLogger, systemRandom } from '@tabmesh/shared';
import { io } from 'socket.io-client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type AccessTexts, accessSettings } from '../../src/access/access-settings.ts';
import { AllowedHosts, hostNameIn } from '../../src/access/allowed-hosts.ts';
import type { Callers } from '../../src/access/callers.ts';
import { guardServer } from '../../src/access/guard-hosts.ts';
import { startEntry } from '../../src/entry.ts';
import { rawRequest } from '../setup/raw-request.ts';

const REBOUND = 'evil.example';
const question = JSON.stringify({ messages: [{ role: 'user', content: 'Hi' }] });

async function start(texts: AccessTexts = {}, logger: Logger = silentLogger, host = '127.0.0.1') {
  const entry = await startEntry({
    host,
    port: 0,
    identity: createIdentity(systemRandom),
    version: 'test',
    logger,
    access: accessSettings(texts),
  });
  onTestFinished(() => entry.close());
  const get = (host: string, path = '/healthz', ...headers: string[]) =>
    rawRequest(entry.url, [`GET ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...headers]);
  const upgrade = (host: string, path: string, ...headers: string[]) =>
    rawRequest(entry.url, [
      `GET ${path} HTTP/1.1`,
      `Host: ${host}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      ...headers,
    ]);
  return { entry, url: entry.url, port: new URL(entry.url).port, get, upgrade };
}

describe('a name that is none of the entry', () => {
  it.each([
    '/',
    '/contribute',
    '/healthz',
    '/readyz',
    '/api/status',
    '/api/events',
    '/api/metrics',
    '/api/prometheus',
    '/v1/models',
    '/v1/models/a',
    '/%761/models',
    '/nothing',
    '/%zz',
    '/socket.io/?EIO=4&transport=polling',
    '/socket.io/socket.io.js',
  ])('KY10: is refused at %s, by a code and a sentence with the flag', async (path) => {
    const { get, port } = await start();
    const reply = await get(`${REBOUND}:${port}`, path);
    expect(reply.status).toBe(403);
    expect(JSON.parse(reply.body).error).toMatchObject({
      code: 'forbidden_host',
      type: 'invalid_request_error',
      message: expect.stringContaining(`--allowed-hosts ${REBOUND} (TABMESH_ALLOWED_HOSTS)`),
    });
  });

  it('KY10: chats with nobody and gets no token', async () => {
    const { url } = await start();
    for (const path of ['/api/chat', '/api/page-token', '/v1/chat/completions', '/v1/responses']) {
      const reply = await rawRequest(
        url,
        [
          `POST ${path} HTTP/1.1`,
          `Host: ${REBOUND}`,
          `Origin: http://${REBOUND}`,
          'Connection: close',
          'Content-Type: application/json',
          `Content-Length: ${question.length}`,
        ],
        question,
      );
      expect(reply.status).toBe(403);
      expect(reply.body).toContain('forbidden_host');
    }
  });

  it('KY10: opens no socket, at the address of signaling or any other', async () => {
    const { upgrade, port } = await start();
    for (const path of ['/socket.io/?EIO=4&transport=websocket', '/elsewhere']) {
      for (const headers of [[], [`Origin: http://${REBOUND}:${port}`]]) {
        const reply = await upgrade(`${REBOUND}:${port}`, path, ...headers);
        expect(reply.status).toBe(403);
        expect(JSON.parse(reply.body).error.code).toBe('forbidden_host');
      }
    }
  });

  it('KY10: is seen in a whole address too, which overrules the header', async () => {
    const { url } = await start();
    const whole = (address: string) =>
      rawRequest(url, [`GET ${address} HTTP/1.1`, 'Host: 127.0.0.1', 'Connection: close']);
    expect((await whole(`http://${REBOUND}/healthz`)).status).toBe(403);
    expect((await whole('http://127.0.0.1/healthz')).status).toBe(200);
  });

  it('KY10: is logged cut, and shown in a command only when it is written like a name', async () => {
    const hosts: unknown[] = [];
    const log = (fields: object) => void ('host' in fields && hosts.push(fields.host));
    const { get } = await start({}, { ...silentLogger, info: log });
    expect((await get('$(reboot)')).body).toContain('--allowed-hosts NAME');
    expect((await get('a'.repeat(5_000))).body.length).toBeLessThan(1_000);
    expect(hosts).toEqual(['$(reboot)', 'a'.repeat(200)]);
  });
});

describe('names at home', () => {
  it('KY11: are addresses, localhost, the name of this machine and configured ones, over HTTP and sockets', async () => {
    const { get, upgrade, port } = await start({ hosts: 'Mesh.Example.org:8443, bücher.example' });
    const label = hostname().split('.')[0];
    const names = [
      '127.0.0.1',
      '192.168.1.20',
      '[::1]',
      '[fd00::1:2]',
      'localhost',
      'LOCALHOST.',
      'tabmesh.localhost',
      hostname(),
      `${label}`,
      `${label}.local`,
      'mesh.example.org',
      'MESH.example.ORG.',
      'xn--bcher-kva.example',
    ];
    for (const name of names) {
      for (const host of [name, `${name}:${port}`, `${name}:80`]) {
        expect(`${host}: ${(await get(host)).status}`).toBe(`${host}: 200`);
      }
      // A real upgrade ends with the handshake; the wrong version of the protocol is refused behind the look at the name.
      const socket = await upgrade(name, '/socket.io/?EIO=9&transport=websocket');
      expect(socket.body).not.toContain('forbidden_host');
    }
  });

  it.each([
    '127.evil.example',
    '127.0.0.1.evil.example',
    '127.0.0.1.nip.io',
    'localhost.evil.example',
    'evil-localhost',
    'notlocalhost',
    '0x7f.1',
    '127.1',
    '2130706433',
    '127.0.0.01',
    '[::1',
    '[evil.example]',
    '[127.0.0.1]',
    'evil.example:127.0.0.1',
    'mesh.example.org.evil.example',
    'sub.mesh.example.org',
    'user@127.0.0.1',
    '127.0.0.1, evil.example',
    '127.0.0.1/evil.example',
    '127.0.0.1:8080:evil',
  ])('KY11: do not look like %s', async (host) => {
    const { get } = await start({ hosts: 'mesh.example.org' });
    expect((await get(host)).status).toBe(403);
  });

  it('KY11: follow the machine when its name changes, and take no empty one', () => {
    let name = 'Cafe-Laptop.lan';
    const hosts = new AllowedHosts([], () => name);
    expect(
      ['cafe-laptop', 'cafe-laptop.local', 'cafe-laptop.lan', 'home-laptop'].map((host) => hosts.has(host)),
    ).toEqual([true, true, true, false]);
    name = 'home-laptop.local';
    expect(['home-laptop', 'home-laptop.local:8080', 'home-laptop.lan'].map((host) => hosts.has(host))).toEqual([
      true,
      true,
      false,
    ]);
    name = '';
    expect(['.local', 'local', '', ':80'].map((host) => hosts.has(host))).toEqual([false, false, false, false]);
    expect(hostNameIn(`${'a'.repeat(100_000)}!`)).toBeUndefined();
  });

  it('KY11: are not missed where a probe of HTTP/1.0 sends none', async () => {
    const { url } = await start();
    expect((await rawRequest(url, ['GET /healthz HTTP/1.0'])).status).toBe(200);
  });

  it('KY11: include the one that the entry was told to listen on', async () => {
    const { get } = await start({}, silentLogger, 'localhost');
    expect((await get('localhost')).status).toBe(200);
  });
});

describe('what proxies say', () => {
  const forwarded = (host: string) => [`X-Forwarded-Host: ${host}`, `Forwarded: host=${host}`];

  it('KY12: counts for nothing from anyone who is no configured proxy', async () => {
    const { get, upgrade } = await start({ hosts: 'mesh.example.org', proxies: '192.0.2.1' });
    expect((await get(REBOUND, '/healthz', ...forwarded('mesh.example.org'))).status).toBe(403);
    expect((await get('127.0.0.1', '/healthz', ...forwarded(REBOUND))).status).toBe(200);
    const join = (origin: string, ...headers: string[]) =>
      upgrade('127.0.0.1', '/socket.io/?EIO=4&transport=websocket', `Origin: ${origin}`, ...headers);
    const kept = await join('https://other.example', ...forwarded('other.example'));
    expect(kept.status).toBe(400);
    expect(kept.body).toContain('another site');
  });

  it('KY12: counts from a configured one, whose visitors are told apart by address and refused by name', async () => {
    const { get, upgrade } = await start({ hosts: 'mesh.example.org', proxies: 'loopback' });
    expect((await get('127.0.0.1', '/healthz', ...forwarded('mesh.example.org'))).status).toBe(200);
    expect((await get('127.0.0.1', '/healthz', ...forwarded(REBOUND))).status).toBe(403);
    expect((await get('127.0.0.1', '/healthz', ...forwarded(`mesh.example.org, ${REBOUND}`))).status).toBe(403);
    expect((await get(REBOUND, '/healthz', ...forwarded('mesh.example.org'))).status).toBe(403);
    const socket = await upgrade('127.0.0.1', '/socket.io/?EIO=4&transport=websocket', ...forwarded(REBOUND));
    expect(socket.status).toBe(403);
  });

  it('KY12: joins are counted by the address that a configured proxy tells, and by its IPv6 network', async () => {
    const { url } = await start({ proxies: '127.0.0.1' });
    const refusalsOf = async (addresses: readonly string[]) => {
      const sockets = addresses.map((address) =>
        io(url, {
          transports: ['websocket'],
          forceNew: true,
          reconnection: false,
          extraHeaders: { 'x-forwarded-for': address },
        }),
      );
      onTestFinished(() => sockets.forEach((socket) => void socket.disconnect()));
      const answers = await Promise.all(
        sockets.map(
          (socket) =>
            new Promise<string>((resolve) => {
              socket.once('challenge', () => resolve('challenge'));
              socket.once('refused', () => resolve('refused'));
            }),
        ),
      );
      return answers.filter((answer) => answer === 'refused').length;
    };
    const many = Array.from({ length: 60 }, (_, index) => index);
    expect(await refusalsOf(many.map((index) => `192.0.2.${index}`))).toBe(0);
    expect(await refusalsOf(many.map((index) => `2001:db8:0:7::${index}`))).toBeGreaterThan(0);
  });
});

describe('a member that joins by a name', () => {
  it('SG36: which its entry does not know says so, with the flag, and goes on trying', async () => {
    // No name but this machine's own leads here in a test: the refusal is the entry's own, the name is this one.
    const server = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    guardServer(server, { foreignHostOf: () => REBOUND } as Partial<Callers> as Callers, silentLogger);
    server.on('upgrade', () => {});
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const signaling = createSocketIoSignaling({ url: `http://localhost:${port}` });
    onTestFinished(() => signaling.close());
    const heard: string[] = [];
    const ignored = () => {};
    await new Promise<void>((resolve) => {
      signaling.start({
        onChallenge: () => {
          throw new Error('It joined.');
        },
        onWelcome: ignored,
        onRefused: ignored,
        onRoster: ignored,
        onDescription: ignored,
        onOffline: (reason) => {
          heard.push(reason);
          if (heard.length === 2) resolve();
        },
      });
    });
    expect(heard[0]).toContain('does not know that name as its own; start it with --allowed-hosts localhost');
    expect(heard[1]).toBe(heard[0]);
  });
});

describe('pages behind a proxy', () => {
  const join = (name: string, origin: string, texts: AccessTexts) =>
    start(texts).then(({ upgrade }) =>
      // Engine.io's own refusal of the version comes behind the look at the page.
      upgrade(name, '/socket.io/?EIO=4&transport=websocket', `Origin: ${origin}`, 'Sec-WebSocket-Version: 7'),
    );

  it('KY18: join from a configured name, whatever host the proxy sends on', async () => {
    for (const host of ['127.0.0.1:8080', 'mesh.example.org', 'mesh.example.org:443']) {
      const reply = await join(host, 'https://mesh.example.org', { hosts: 'mesh.example.org' });
      expect(reply.body).not.toContain('another site');
    }
    const reply = await join('127.0.0.1:8080', 'https://mesh.example.org', {});
    expect(reply.body).toContain('another site');
  });
});
